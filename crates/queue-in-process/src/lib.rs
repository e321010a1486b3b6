//! An order queue within one process, for the embedded deployment and for tests.
//!
//! The queue is bounded: orders that do not fit are not confirmed, stay in the outbox and are published again later.
//! The queue is not durable: its messages are lost when the process ends, and the sweeper requeues their orders.
//!
//! Messages are numbered when they are published and always delivered in that order, including messages requeued from a
//! dropped consumer.

mod consumer;
mod queue;
mod state;

pub use consumer::InProcessConsumer;
pub use queue::InProcessQueue;
