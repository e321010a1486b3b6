//! A virtual host for one test, and a second, plain client to look behind the adapter's back.

use std::time::{Duration, Instant};

use amiquip::{
    AmqpValue, Auth, Channel, Connection, ConnectionOptions, ConnectionTuning, Delivery,
};
use domain::identifiers::{OrderId, ProductId};
use domain::ports::{OrderConsumer, OrderQueue, QueuedMessage, QueuedOrder};
use queue_rabbitmq::test_vhost::TestVhost;
use queue_rabbitmq::{RabbitOptions, RabbitOrderConsumer, RabbitOrderQueue};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A virtual host, removed at the end.
pub(crate) struct Broker {
    vhost: TestVhost,
}

impl Broker {
    pub(crate) fn new() -> Self {
        let user = RabbitOptions::parse(&url()).unwrap().user;
        let vhost = TestVhost::create(&user).expect("rabbitmqctl can be run");
        Self { vhost }
    }

    /// From now on only what the pattern names may be read from, by connections made later.
    pub(crate) fn let_read_only(&self, pattern: &str) {
        let user = RabbitOptions::parse(&url()).unwrap().user;
        let expression = format!(
            "rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, VHost, \
             <<\".*\">>, <<\".*\">>, <<\"{pattern}\">>, <<\"tests\">>)."
        );
        self.vhost.eval(&expression).unwrap();
    }

    /// With settings small enough for tests.
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

    /// A publisher that is connected.
    pub(crate) async fn queue(&self, queues: u16) -> RabbitOrderQueue {
        connected(self.options(queues)).await
    }

    pub(crate) fn consumer(&self, queues: u16) -> RabbitOrderConsumer {
        RabbitOrderConsumer::start(self.options(queues))
    }

    /// Does something with a plain channel, on a thread of its own.
    pub(crate) async fn behind_its_back<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Channel) -> T + Send + 'static,
    ) -> T {
        let options = self.options(1);
        tokio::task::spawn_blocking(move || {
            let address = (options.host.as_str(), options.port);
            let stream = std::net::TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            let login = ConnectionOptions::<Auth>::default()
                .auth(Auth::Plain {
                    username: options.user,
                    password: options.password,
                })
                .virtual_host(options.vhost);
            let mut connection = Connection::insecure_open_stream(
                mio::net::TcpStream::from_stream(stream).unwrap(),
                login,
                ConnectionTuning::default(),
            )
            .unwrap();
            let channel = connection.open_channel(None).unwrap();
            let result = act(&channel);
            drop(channel);
            connection.close().unwrap();
            result
        })
        .await
        .unwrap()
    }

    /// Waits for `count` messages in the dead-letter queue, and takes them.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<Delivery> {
        self.behind_its_back(move |channel| {
            let deadline = Instant::now() + PATIENCE;
            let mut letters = Vec::new();
            while letters.len() < count {
                assert!(Instant::now() < deadline, "only {letters:?}");
                match channel.basic_get("orders.dead", true).unwrap() {
                    Some(got) => letters.push(got.delivery),
                    None => std::thread::sleep(Duration::from_millis(20)),
                }
            }
            letters
        })
        .await
    }
}

fn url() -> String {
    std::env::var("RABBITMQ_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned())
}

/// Starts a publisher and waits until it is connected.
pub(crate) async fn connected(options: RabbitOptions) -> RabbitOrderQueue {
    let queue = RabbitOrderQueue::start(options);
    until_up(&queue).await;
    queue
}

pub(crate) async fn until_up(queue: &RabbitOrderQueue) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = queue.probe().await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Orders for products `p0`, `p1`, … in turn.
pub(crate) fn orders(ids: impl IntoIterator<Item = i64>, products: i64) -> Vec<QueuedOrder> {
    ids.into_iter()
        .map(|id| QueuedOrder {
            order_id: OrderId(id),
            product_id: ProductId::parse(format!("p{}", id % products)).unwrap(),
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

/// Takes messages until `count` orders are there; acknowledges nothing.
pub(crate) async fn take(consumer: &mut RabbitOrderConsumer, count: usize) -> Vec<QueuedMessage> {
    let mut taken = Vec::new();
    while ids(&taken).len() < count {
        let batch = timeout(PATIENCE, consumer.next_batch(1000))
            .await
            .unwrap_or_else(|_| panic!("only {:?} came", ids(&taken)));
        taken.extend(batch.unwrap());
    }
    taken
}

pub(crate) async fn acknowledge(consumer: &mut RabbitOrderConsumer, messages: &[QueuedMessage]) {
    let receipts: Vec<_> = messages.iter().map(|message| message.receipt).collect();
    consumer.acknowledge(&receipts).await.unwrap();
}

/// Waits until so many messages wait.
pub(crate) async fn until_depth(queue: &RabbitOrderQueue, expected: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let depth = queue.depth().await.unwrap();
        if depth == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{depth} messages wait, not {expected}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A header as text.
pub(crate) fn header(delivery: &Delivery, name: &str) -> String {
    match delivery.properties.headers().as_ref().unwrap().get(name) {
        Some(AmqpValue::LongString(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}
