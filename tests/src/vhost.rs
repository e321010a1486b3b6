//! A dedicated RabbitMQ vhost on the broker of `RABBITMQ_URL`.

use std::env;

use queue_rabbitmq::RabbitOptions;
use queue_rabbitmq::test_vhost::TestVhost;

const NEEDED: &str =
    "`rabbitmqctl` cannot reach RabbitMQ on this machine: run `cargo xtask services`";

/// A vhost. It is deleted on drop.
pub(crate) struct Vhost(TestVhost);

impl Vhost {
    /// Creates a vhost with all permissions for the user of `RABBITMQ_URL`.
    pub(crate) fn create() -> Self {
        Self(TestVhost::create(&broker().user).expect(NEEDED))
    }

    /// Returns the vhost's URL at the address of a proxy.
    pub(crate) fn url_at(&self, address: &str) -> String {
        let RabbitOptions { user, password, .. } = broker();
        format!("amqp://{user}:{password}@{address}/{}", self.0.name())
    }

    /// Evaluates an Erlang expression with `VHost` bound to the vhost's name. Returns its output.
    pub(crate) fn eval(&self, expression: &str) -> String {
        self.0.eval(expression).expect(NEEDED)
    }

    /// Returns the number of queues on which each worker has the active consumer, in ascending order, such as `{4,4}`.
    pub(crate) fn active_queues(&self) -> String {
        self.0.active_queues().expect(NEEDED)
    }
}

/// Returns the broker's `host:port`.
pub(crate) fn broker_address() -> String {
    let RabbitOptions { host, port, .. } = broker();
    format!("{host}:{port}")
}

fn broker() -> RabbitOptions {
    let url =
        env::var("RABBITMQ_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned());
    RabbitOptions::parse(&url).expect("RABBITMQ_URL is a valid AMQP URL")
}
