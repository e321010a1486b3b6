//! The order queue on `RabbitMQ`, using `amiquip`.
//!
//! `amiquip` blocks and does not reconnect, so it runs on dedicated threads and is not part of the public API: a
//! publisher thread behind [`RabbitOrderQueue`], a consumer thread behind [`RabbitOrderConsumer`], and for each of them
//! a watchdog thread that shuts the socket down when a call hangs. The async side communicates with the threads over
//! bounded channels, and every call has a timeout. Both threads connect, declare the topology, and reconnect with
//! exponential backoff when a session ends for any reason.
//!
//! With an `amqps://` URL, the connection is encrypted by rustls (`tls_stream`).
//!
//! # Topology
//!
//! The direct exchange `orders`; the quorum queues `orders.0` to `orders.<n-1>`, each with a single active consumer, a
//! delivery limit and `orders.dead` as dead-letter queue; the quorum queue `orders.dead`. The queue of an order is the
//! CRC-32 of its product id modulo n. When n is lowered, the queues above it are still consumed, and their messages are
//! counted as surplus.
//!
//! A message that cannot be decoded is rejected, and the broker moves it to `orders.dead`, where [`DeadMessages`] reads
//! it.
//!
//! Each consumer subscribes to every queue, and the broker makes one consumer active per queue. Consumers that know of
//! each other are assigned shares ([`ConsumerProbe::assign`](domain::ports::ConsumerProbe::assign)) and release the
//! queues outside their share: they cancel the subscription and subscribe again, behind the waiting consumers.
//!
//! # Out of scope
//!
//! The processing of orders: a message carries order ids and nothing else.

mod backoff;
mod broker_connection;
mod confirms;
mod consumer;
mod consumer_session;
mod consumer_thread;
mod dead_messages;
mod delivery_tracker;
mod inbox;
mod log_text;
mod message;
mod options;
mod outgoing;
mod publisher;
mod publisher_session;
mod publisher_thread;
mod rebalancing;
mod reply;
mod session_loop;
mod shard;
mod subscription;
#[cfg(feature = "test-support")]
pub mod test_vhost;
mod tls_stream;
mod topology;
mod trace_headers;
mod watchdog;

pub use consumer::RabbitOrderConsumer;
pub use dead_messages::{DeadMessage, DeadMessages, Disposition};
pub use options::{InvalidUrl, RabbitOptions};
pub use publisher::RabbitOrderQueue;
