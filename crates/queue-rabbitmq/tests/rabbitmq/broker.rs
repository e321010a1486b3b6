//! A virtual host for one test, and a second, plain client that bypasses the adapter.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use amiquip::{Channel, Connection, QueueDeleteOptions};
use domain::identifiers::{OrderId, ProductId};
use domain::ports::{Backlog, OrderConsumer, OrderQueue, QueueError, QueuedMessage, QueuedOrder};
use queue_rabbitmq::test_vhost::TestVhost;
use queue_rabbitmq::{RabbitOptions, RabbitOrderConsumer, RabbitOrderQueue};
use tokio::time::timeout;

/// Timeout of every wait; longer than any step takes on a busy machine.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A virtual host, deleted on drop.
pub(crate) struct Broker {
    vhost: TestVhost,
}

impl Broker {
    pub(crate) fn new() -> Self {
        let user = RabbitOptions::parse(&url()).unwrap().user;
        let vhost = TestVhost::create(&user).expect("rabbitmqctl creates a virtual host");
        Self { vhost }
    }

    /// Restricts the configure and read permissions of new connections to these patterns.
    pub(crate) fn restrict(&self, configure: &str, read: &str) {
        let user = RabbitOptions::parse(&url()).unwrap().user;
        self.eval(&format!(
            "rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, VHost, \
             <<\"{configure}\">>, <<\".*\">>, <<\"{read}\">>, <<\"tests\">>)."
        ));
    }

    /// Limits the number of queues to `most`.
    pub(crate) fn limit_queues(&self, most: u16) {
        self.eval(&format!(
            "rabbit_vhost_limit:set(VHost, [{{<<\"max-queues\">>, {most}}}], <<\"tests\">>)."
        ));
    }

    /// Returns the number of queues on which each consumer is active, ascending, as `{4,4}`.
    pub(crate) fn active_queues(&self) -> String {
        self.vhost.active_queues().unwrap()
    }

    fn eval(&self, expression: &str) -> String {
        self.vhost.eval(expression).unwrap()
    }

    /// Counts the messages of all queues that are rejected and not yet in the dead-letter queue.
    pub(crate) fn pending_dead_letters(&self) -> u64 {
        let counted = self.eval(
            "lists:sum([N || Q <- rabbit_amqqueue:list(VHost), \
             {messages_dlx, N} <- rabbit_amqqueue:info(Q, [messages_dlx]), is_integer(N)]).",
        );
        counted.parse().unwrap()
    }

    /// Counts the messages of all queues that are delivered and not acknowledged.
    pub(crate) fn unacknowledged(&self) -> u64 {
        let counted = self.eval(
            "lists:sum([N || Q <- rabbit_amqqueue:list(VHost), \
             [{messages_unacknowledged, N}] <- [rabbit_amqqueue:info(Q, [messages_unacknowledged])]]).",
        );
        counted.parse().unwrap()
    }

    /// Returns options with short timeouts.
    pub(crate) fn options(&self, queues: u16) -> RabbitOptions {
        RabbitOptions {
            vhost: self.vhost.name().to_owned(),
            queues,
            confirm_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(5),
            connection_name: "tests".to_owned(),
            ..RabbitOptions::parse(&url()).unwrap()
        }
    }

    /// Returns a connected publisher.
    pub(crate) async fn queue(&self, queues: u16) -> RabbitOrderQueue {
        connected(self.options(queues)).await
    }

    pub(crate) fn consumer(&self, queues: u16) -> RabbitOrderConsumer {
        RabbitOrderConsumer::start(self.options(queues))
    }

    /// Runs `act` with a plain channel on a blocking thread.
    pub(crate) async fn with_channel<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Channel) -> T + Send + 'static,
    ) -> T {
        let options = self.options(1);
        tokio::task::spawn_blocking(move || {
            let RabbitOptions {
                host,
                port,
                user,
                password,
                vhost,
                ..
            } = options;
            let url = format!("amqp://{user}:{password}@{host}:{port}/{vhost}");
            let mut connection = Connection::insecure_open(&url).unwrap();
            let channel = connection.open_channel(None).unwrap();
            let result = act(&channel);
            drop(channel);
            connection.close().unwrap();
            result
        })
        .await
        .unwrap()
    }

    /// Deletes a queue with its messages.
    pub(crate) async fn delete_queue(&self, name: &'static str) {
        self.with_channel(move |channel| {
            let options = QueueDeleteOptions::default();
            channel.queue_delete(name, options).unwrap();
        })
        .await;
    }
}

fn url() -> String {
    std::env::var("RABBITMQ_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned())
}

/// Starts a publisher and waits until it is connected.
pub(crate) async fn connected(options: RabbitOptions) -> RabbitOrderQueue {
    let queue = RabbitOrderQueue::start(options);
    wait_until_up(&queue).await;
    queue
}

pub(crate) async fn wait_until_up(queue: &RabbitOrderQueue) {
    eventually(async || queue.probe().await).await;
}

/// Polls until `poll` succeeds, and returns its result. Fails with its last error.
pub(crate) async fn eventually<T, E: Debug>(mut poll: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        match poll().await {
            Ok(found) => return found,
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the reason why a publisher with these options does not connect.
pub(crate) async fn connect_error(options: RabbitOptions) -> String {
    let queue = RabbitOrderQueue::start(options);
    let order = orders([1], 1);
    eventually(async || match queue.publish(&order).await {
        Err(QueueError::Unavailable(reason)) if reason != "connecting" => Ok(reason),
        other => Err(other),
    })
    .await
}

/// Returns orders for the products `p0`, `p1`, … in turn.
pub(crate) fn orders(ids: impl IntoIterator<Item = i64>, products: i64) -> Vec<QueuedOrder> {
    ids.into_iter()
        .map(|id| {
            let product_id = ProductId::parse(format!("p{}", id % products)).unwrap();
            QueuedOrder::new(OrderId(id), product_id)
        })
        .collect()
}

pub(crate) fn ids(messages: &[QueuedMessage]) -> Vec<i64> {
    let mut ids: Vec<i64> = messages
        .iter()
        .flat_map(|message| message.order_ids.iter().map(|id| id.0))
        .collect();
    ids.sort_unstable();
    ids
}

/// Receives messages until they contain `count` orders; does not acknowledge any.
pub(crate) async fn take(consumer: &mut RabbitOrderConsumer, count: usize) -> Vec<QueuedMessage> {
    let mut taken = Vec::new();
    while ids(&taken).len() < count {
        let batch = timeout(TEST_TIMEOUT, consumer.next_batch(1000))
            .await
            .unwrap_or_else(|_| panic!("received only {:?}", ids(&taken)));
        taken.extend(batch.unwrap());
    }
    taken
}

/// Asserts that a consumer receives no message within `wait_ms`, and that its call waits without an error.
pub(crate) async fn assert_no_message(consumer: &mut RabbitOrderConsumer, wait_ms: u64) {
    let received = timeout(Duration::from_millis(wait_ms), consumer.next_batch(100)).await;
    assert!(received.is_err(), "{received:?}");
}

pub(crate) async fn acknowledge(consumer: &mut RabbitOrderConsumer, messages: &[QueuedMessage]) {
    let receipts: Vec<_> = messages.iter().map(|message| message.receipt).collect();
    consumer.acknowledge(&receipts).await.unwrap();
}

/// Waits until the queues contain `expected` messages.
pub(crate) async fn wait_for_depth(queue: &RabbitOrderQueue, expected: u64) {
    eventually(async || match queue.depth().await.unwrap() {
        depth if depth == expected => Ok(()),
        depth => Err(format!("{depth} messages, expected {expected}")),
    })
    .await;
}

/// Waits until the backlog satisfies `wanted`.
pub(crate) async fn wait_for_backlog(queue: &impl OrderQueue, wanted: impl Fn(&Backlog) -> bool) {
    eventually(async || match queue.backlog().await {
        Ok(backlog) if wanted(&backlog) => Ok(()),
        other => Err(other),
    })
    .await;
}
