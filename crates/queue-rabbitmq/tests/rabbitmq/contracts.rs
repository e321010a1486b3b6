//! Runs the contracts of the port.

use std::sync::Arc;

use domain::ports::OrderConsumer;
use futures_util::FutureExt;
use port_contracts::QueueUnderTest;
use queue_rabbitmq::RabbitOrderConsumer;

use crate::broker::Broker;

async fn setup() -> (QueueUnderTest, Broker) {
    let broker = Broker::new();
    let queue = broker.queue(4).await;
    let options = broker.options(4);
    let under_test = QueueUnderTest {
        queue: Arc::new(queue),
        make_consumer: Box::new(move || {
            let options = options.clone();
            async move { Box::new(RabbitOrderConsumer::start(options)) as Box<dyn OrderConsumer> }
                .boxed()
        }),
    };
    (under_test, broker)
}

port_contracts::queue_contracts!(setup);
