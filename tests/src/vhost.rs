//! A RabbitMQ vhost of a test's own, on the broker of `RABBITMQ_URL`.

use std::env;

use queue_rabbitmq::RabbitOptions;
use queue_rabbitmq::test_vhost::TestVhost;

const NEEDED: &str =
    "these tests need `rabbitmqctl` of a RabbitMQ on this machine: run `cargo xtask services`";

/// A vhost, deleted with this value.
pub(crate) struct Vhost(TestVhost);

impl Vhost {
    /// Creates it, with all rights for the user of `RABBITMQ_URL`.
    pub(crate) fn create() -> Self {
        Self(TestVhost::create(&broker().user).expect(NEEDED))
    }

    /// Its URL, at another address than the broker's own: a proxy's.
    pub(crate) fn url_at(&self, address: &str) -> String {
        let RabbitOptions { user, password, .. } = broker();
        format!("amqp://{user}:{password}@{address}/{}", self.0.name())
    }

    /// Runs an Erlang expression with `VHost` bound to the name, and returns what it prints.
    pub(crate) fn eval(&self, expression: &str) -> String {
        self.0.eval(expression).expect(NEEDED)
    }
}

/// `host:port` of the broker.
pub(crate) fn broker_address() -> String {
    let RabbitOptions { host, port, .. } = broker();
    format!("{host}:{port}")
}

fn broker() -> RabbitOptions {
    let url =
        env::var("RABBITMQ_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned());
    RabbitOptions::parse(&url).expect("RABBITMQ_URL is the URL of a broker")
}
