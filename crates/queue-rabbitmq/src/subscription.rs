//! A consumer of one queue.

use amiquip::{Channel, Consumer, ConsumerOptions};

use crate::topology;

/// A subscription to a queue. The broker delivers to it while it is the single active consumer of the queue.
pub(crate) struct Subscription<'a> {
    pub(crate) shard: u16,
    pub(crate) queue: String,
    pub(crate) consumer: Consumer<'a>,
}

impl<'a> Subscription<'a> {
    /// Subscribes, behind the consumers that are already waiting.
    pub(crate) fn begin(channel: &'a Channel, shard: u16) -> amiquip::Result<Self> {
        let queue = topology::queue_name(shard);
        let consumer = channel.basic_consume(queue.as_str(), ConsumerOptions::default())?;
        Ok(Self {
            shard,
            queue,
            consumer,
        })
    }
}
