//! An order queue within one process, for the embedded deployment and for tests.
//!
//! It is bounded: what does not fit is not confirmed, stays in the outbox and is published again later. It is not
//! durable: a process that dies takes it along, and the sweeper puts its orders back into the outbox.
//!
//! Messages are numbered as they are published and always delivered by number, also those that come back from a consumer
//! that went away.

mod consumer;
mod queue;
mod state;

pub use consumer::InProcessConsumer;
pub use queue::InProcessQueue;
