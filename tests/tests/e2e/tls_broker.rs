//! TLS to a real RabbitMQ: the message for each failure, client certificates, renewal, and orders through it.

use std::path::Path;
use std::time::Duration;

use domain::identifiers::{OrderId, ProductId};
use domain::ports::{OrderConsumer as _, OrderQueue as _, QueuedOrder};
use queue_rabbitmq::{DeadMessages, RabbitOptions, RabbitOrderConsumer, RabbitOrderQueue};
use tests::{Authority, BrokerNode, Deployment, assert_contains, eventually};
use tls_config::{ClientTls, ClientTlsOptions, Identity, Verification};

/// A password that no message may contain.
const PASSWORD: &str = "hunter2";

fn options(host: &str, port: u16, tls: ClientTlsOptions) -> RabbitOptions {
    let mut options = RabbitOptions::parse(&format!("amqps://guest:guest@{host}:{port}")).unwrap();
    options.tls = Some(ClientTls::new(tls));
    options
}

fn trusting(roots: &Path) -> ClientTlsOptions {
    ClientTlsOptions {
        verification: Verification::Full,
        root_certificates: Some(roots.to_owned()),
        identity: None,
    }
}

async fn connect(options: &RabbitOptions) -> Result<(), String> {
    let options = options.clone();
    let opened = tokio::task::spawn_blocking(move || DeadMessages::open(&options)).await;
    opened.unwrap().map(drop).map_err(|error| error.to_string())
}

/// Asserts that no connection can be opened. Returns the message.
async fn refused(host: &str, port: u16, tls: ClientTlsOptions) -> String {
    let mut options = options(host, port, tls);
    PASSWORD.clone_into(&mut options.password);
    let message = connect(&options).await.unwrap_err();
    println!("{message}");
    assert_contains(&message, &format!("no TLS connection to {host}:{port}: "));
    assert!(!message.contains(PASSWORD), "{message}");
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_of_tls_to_the_broker_has_its_own_message() {
    let authority = Authority::create("brokers");
    let node = BrokerNode::start(&authority.server(&["127.0.0.1"]), None);
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let roots = write("ca.crt", &authority.pem());
    let other = write("other.crt", &Authority::create("others").pem());
    let (host, port) = ("127.0.0.1", node.tls_port());
    let good = options(host, port, trusting(&roots));
    eventually("the node accepts a login", async || {
        connect(&good).await.ok()
    })
    .await;

    let message = refused(host, port, trusting(&other)).await;
    assert_contains(&message, "no authority in the root certificate file");
    assert_contains(&message, other.to_str().unwrap());
    let message = refused("localhost", port, trusting(&roots)).await;
    assert_contains(&message, "is for 127.0.0.1, not for localhost");
    let message = refused(host, node.port(), trusting(&roots)).await;
    assert_contains(&message, "does not speak TLS");
    let message = refused(host, port, trusting(&files.path().join("none.crt"))).await;
    assert_contains(&message, "none.crt cannot be read: No such file");
    // A wrong password is not an error of TLS.
    let mut wrong = good.clone();
    PASSWORD.clone_into(&mut wrong.password);
    let message = connect(&wrong).await.unwrap_err();
    println!("{message}");
    assert!(
        !message.contains("TLS") && !message.contains(PASSWORD),
        "{message}"
    );

    node.replace_certificate(&authority.expired("broker", &["127.0.0.1"]));
    let message = refused(host, port, trusting(&roots)).await;
    assert_contains(
        &message,
        "expired at 2020-01-01T00:00:00Z: renew it on the server",
    );
    // Renewed by another authority: refused until the root certificate is replaced, too.
    let renewed = Authority::create("renewed brokers");
    node.replace_certificate(&renewed.server(&["127.0.0.1"]));
    assert_contains(
        &connect(&good).await.unwrap_err(),
        "no authority in the root certificate file",
    );
    write("ca.crt", &renewed.pem());
    connect(&good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_pass_through_tls_with_a_client_certificate_that_is_renewed() {
    let authority = Authority::create("brokers");
    let clients = Authority::create("clients");
    let certificate = authority.server(&["127.0.0.1", "localhost"]);
    let node = BrokerNode::start(&certificate, Some(&clients.pem()));
    let files = tempfile::tempdir().unwrap();
    let roots = files.path().join("ca.crt");
    std::fs::write(&roots, authority.pem()).unwrap();
    let (host, port) = ("localhost", node.tls_port());
    let identity = |issued: &tests::Issued, name: &str| {
        let (certificate, key) = issued.write(files.path(), name);
        ClientTlsOptions {
            identity: Some(Identity { certificate, key }),
            ..trusting(&roots)
        }
    };
    let good = options(host, port, identity(&clients.client("orders"), "client"));
    eventually("the node accepts a login", async || {
        connect(&good).await.ok()
    })
    .await;

    let message = refused(host, port, trusting(&roots)).await;
    assert_contains(&message, "requires a client certificate");
    let foreign = Authority::create("others").client("orders");
    let message = refused(host, port, identity(&foreign, "foreign")).await;
    assert_contains(&message, "refused the client certificate");
    assert_contains(&message, "foreign.crt");
    let expired = clients.expired("orders", &[]);
    let message = refused(host, port, identity(&expired, "expired")).await;
    assert_contains(&message, "refused the client certificate");

    // Far more data than the buffers of the sockets, in both directions.
    let queue = RabbitOrderQueue::start(good.clone());
    let mut consumer = RabbitOrderConsumer::start(good.clone());
    let product = ProductId::parse("product-1").unwrap();
    let orders: Vec<QueuedOrder> = (1..=200_000)
        .map(|id| QueuedOrder::new(OrderId(id), product.clone()))
        .collect();
    eventually("the publisher is connected", async || {
        queue.probe().await.ok()
    })
    .await;
    let confirmed = queue.publish(&orders).await.unwrap();
    assert_eq!(confirmed.len(), orders.len());
    let mut received = Vec::new();
    while received.len() < orders.len() {
        let batch = tokio::time::timeout(Duration::from_secs(30), consumer.next_batch(4_096));
        for message in batch.await.unwrap().unwrap() {
            received.extend(message.order_ids.iter().copied());
            consumer.acknowledge(&[message.receipt]).await.unwrap();
        }
    }
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len(), orders.len());

    // Renewed with the same names of the files: the next connection uses the new pair, and a replaced one is refused.
    clients.client("orders").write(files.path(), "client");
    connect(&good).await.unwrap();
    foreign.write(files.path(), "client");
    assert_contains(
        &connect(&good).await.unwrap_err(),
        "refused the client certificate",
    );
    // Existing connections are not interrupted.
    queue.probe().await.unwrap();
    assert_eq!(queue.publish(&orders[..10]).await.unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_settle_orders_through_an_encrypted_broker() {
    let authority = Authority::create("brokers");
    let node = BrokerNode::start(&authority.server(&["127.0.0.1"]), None);
    let files = tempfile::tempdir().unwrap();
    let roots = files.path().join("ca.crt");
    std::fs::write(&roots, authority.pem()).unwrap();
    let url = format!("amqps://127.0.0.1:{}", node.tls_port());
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("product-1", 10)])
        .variable("RABBITMQ_URL", &url)
        .variable(
            "AGGREGATOR__RABBITMQ__TLS__ROOT_CERTIFICATES",
            roots.to_str().unwrap(),
        )
        .start()
        .await;
    let client = deployment.client(0);
    for _ in 0..3 {
        client.place_confirmed("product-1", 2).await;
    }
    deployment.all_settled().await;
    deployment.audit().await;
}
