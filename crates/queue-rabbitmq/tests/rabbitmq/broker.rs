//! A virtual host for one test, and a second, plain client that bypasses the adapter.

use std::time::{Duration, Instant};

use amiquip::{Auth, Channel, Connection, ConnectionOptions, ConnectionTuning};
use domain::identifiers::{OrderId, ProductId};
use domain::ports::{Backlog, OrderConsumer, OrderQueue, QueuedMessage, QueuedOrder};
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

    /// Restricts the read permission of new connections to the pattern.
    pub(crate) fn restrict_reads_to(&self, pattern: &str) {
        let user = RabbitOptions::parse(&url()).unwrap().user;
        let expression = format!(
            "rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, VHost, \
             <<\".*\">>, <<\".*\">>, <<\"{pattern}\">>, <<\"tests\">>)."
        );
        self.vhost.eval(&expression).unwrap();
    }

    /// Revokes the configure permission of new connections.
    pub(crate) fn revoke_configure(&self) {
        let user = RabbitOptions::parse(&url()).unwrap().user;
        let expression = format!(
            "rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, VHost, \
             <<\"^$\">>, <<\".*\">>, <<\".*\">>, <<\"tests\">>)."
        );
        self.vhost.eval(&expression).unwrap();
    }

    /// Limits the number of queues to `most`.
    pub(crate) fn limit_queues(&self, most: u16) {
        let expression = format!(
            "rabbit_vhost_limit:set(VHost, [{{<<\"max-queues\">>, {most}}}], <<\"tests\">>)."
        );
        self.vhost.eval(&expression).unwrap();
    }

    /// Returns the number of queues on which each consumer is active, ascending, as `{4,4}`.
    pub(crate) fn active_queues(&self) -> String {
        let printed = self.vhost.eval(
            "Active = [proplists:get_value(channel_pid, C) || C <- rabbit_amqqueue:consumers_all(VHost), \
             proplists:get_value(active, C) =:= true], \
             list_to_tuple(lists:sort([length([P || P <- Active, P =:= Q]) || Q <- lists:usort(Active)])).",
        );
        printed.unwrap().trim().to_owned()
    }

    /// Counts the messages of all queues that are rejected and not yet in the dead-letter queue.
    pub(crate) fn pending_dead_letters(&self) -> u64 {
        let printed = self.vhost.eval(
            "lists:sum([N || Q <- rabbit_amqqueue:list(VHost), \
             {messages_dlx, N} <- rabbit_amqqueue:info(Q, [messages_dlx]), is_integer(N)]).",
        );
        printed.unwrap().trim().parse().unwrap()
    }

    /// Counts the messages of all queues that are delivered and not acknowledged.
    pub(crate) fn unacknowledged(&self) -> u64 {
        let printed = self.vhost.eval(
            "lists:sum([N || Q <- rabbit_amqqueue:list(VHost), \
             [{messages_unacknowledged, N}] <- [rabbit_amqqueue:info(Q, [messages_unacknowledged])]]).",
        );
        printed.unwrap().trim().parse().unwrap()
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
    let deadline = Instant::now() + TEST_TIMEOUT;
    while let Err(error) = queue.probe().await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns orders for the products `p0`, `p1`, … in turn.
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

pub(crate) async fn acknowledge(consumer: &mut RabbitOrderConsumer, messages: &[QueuedMessage]) {
    let receipts: Vec<_> = messages.iter().map(|message| message.receipt).collect();
    consumer.acknowledge(&receipts).await.unwrap();
}

/// Waits until the queues contain `expected` messages.
pub(crate) async fn wait_for_depth(queue: &RabbitOrderQueue, expected: u64) {
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        let depth = queue.depth().await.unwrap();
        if depth == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{depth} messages, expected {expected}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the backlog satisfies `wanted`.
pub(crate) async fn wait_for_backlog(queue: &impl OrderQueue, wanted: impl Fn(&Backlog) -> bool) {
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        let backlog = queue.backlog().await;
        if backlog.as_ref().is_ok_and(&wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{backlog:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
