//! Runs the contracts of the queue ports on the in-process queue.

use std::future::{Ready, ready};
use std::sync::Arc;

use domain::ports::OrderConsumer;
use port_contracts::QueueUnderTest;
use queue_in_process::InProcessQueue;

/// The fixture needs no guard: the queue is dropped with its last clone.
fn setup() -> Ready<(QueueUnderTest, ())> {
    // Few orders per message, so that there are many messages.
    let queue = InProcessQueue::new(10_000).with_max_orders_per_message(7);
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
