//! `RabbitMQ` as the order queue, by way of `amiquip`.
//!
//! `amiquip` blocks and recovers from nothing, so it lives on threads of its own and never shows outside: a publisher
//! thread behind [`RabbitOrderQueue`], a consumer thread behind [`RabbitOrderConsumer`], a watchdog thread beside each
//! that breaks the socket under a call that hangs. The async side talks to them over bounded channels, and every answer
//! is bounded in time. Both threads connect, declare the topology, and start over with growing pauses when a session
//! ends, for whatever reason.
//!
//! # What is on the broker
//!
//! The direct exchange `orders`; the quorum queues `orders.0` to `orders.<n-1>`, each with a single active consumer, a
//! delivery limit and dead letters to the quorum queue `orders.dead`. An order's queue is the CRC-32 of its product's id
//! modulo n. When n shrinks, the queues beyond it are still consumed, and their messages are counted as surplus.
//!
//! A message that cannot be read is rejected, and the broker moves it to `orders.dead`, where [`DeadMessages`] reads it.
//!
//! Each consumer subscribes to every queue, and the broker lets one of them be active on it. Consumers that know of each
//! other are assigned shares ([`ConsumerProbe::assign`](domain::ports::ConsumerProbe::assign)) and release what is above
//! their share: they cancel and subscribe again, behind those that wait.
//!
//! # What is not here
//!
//! TLS, and deciding what an order means: a message carries order ids and nothing else.

mod backoff;
mod confirms;
mod consumer;
mod consumer_session;
mod consumer_thread;
mod dead_messages;
mod inbox;
mod ledger;
mod link;
mod message;
mod options;
mod outgoing;
mod publisher;
mod publisher_session;
mod publisher_thread;
mod rebalancing;
mod reply;
mod shard;
mod subscription;
#[cfg(feature = "test-support")]
pub mod test_vhost;
mod topology;
mod watchdog;
mod wording;

pub use consumer::RabbitOrderConsumer;
pub use dead_messages::{DeadMessage, DeadMessages, Disposition};
pub use options::{InvalidUrl, RabbitOptions};
pub use publisher::RabbitOrderQueue;
