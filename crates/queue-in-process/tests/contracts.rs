//! The queue in this process keeps every contract of the queue ports.

use std::future::{Ready, ready};
use std::sync::Arc;

use domain::ports::OrderConsumer;
use port_contracts::QueueUnderTest;
use queue_in_process::InProcessQueue;

/// Nothing has to be kept: the queue goes with its last clone.
fn setup() -> Ready<(QueueUnderTest, ())> {
    // Few orders a message, so that there are many messages.
    let queue = InProcessQueue::new(10_000).with_max_orders_a_message(7);
    let consumers = queue.clone();
    let under_test = QueueUnderTest {
        queue: Arc::new(queue),
        make_consumer: Box::new(move || {
            let consumer: Box<dyn OrderConsumer> = Box::new(consumers.consumer());
            Box::pin(ready(consumer))
        }),
    };
    ready((under_test, ()))
}

port_contracts::queue_contracts!(setup);
