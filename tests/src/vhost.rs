//! A RabbitMQ vhost of a test's own.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A vhost, deleted with this value.
pub(crate) struct Vhost {
    name: String,
}

impl Vhost {
    /// Creates it on the broker of this machine, with all rights for the user of `RABBITMQ_URL`.
    pub(crate) fn create() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e-{}-{number}", std::process::id());
        let (user, _) = credentials();
        // One call for vhost and rights: each takes about a second.
        rabbitmqctl(&[
            "eval",
            &format!(
                "rabbit_vhost:add(<<\"{name}\">>, <<\"tests\">>), \
                 rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, <<\"{name}\">>, \
                 <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"tests\">>)."
            ),
        ]);
        Self { name }
    }

    /// Its URL, at another address than the broker's own: a proxy's.
    pub(crate) fn url_at(&self, address: &str) -> String {
        let (user, password) = credentials();
        format!("amqp://{user}:{password}@{address}/{}", self.name)
    }

    /// Runs an Erlang expression with `VHost` bound to the name, and returns what it prints.
    pub(crate) fn eval(&self, expression: &str) -> String {
        rabbitmqctl(&[
            "eval",
            &format!("VHost = <<\"{}\">>, {expression}", self.name),
        ])
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let _ = Command::new("rabbitmqctl")
            .args(["--quiet", "delete_vhost", &self.name])
            .output();
    }
}

/// `host:port` of the broker, from `RABBITMQ_URL`.
pub(crate) fn broker_address() -> String {
    let url = url();
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:5672")
    }
}

fn credentials() -> (String, String) {
    let url = url();
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .and_then(|(credentials, _)| credentials.split_once(':'))
        .map_or_else(
            || ("guest".to_owned(), "guest".to_owned()),
            |(user, password)| (user.to_owned(), password.to_owned()),
        )
}

fn url() -> String {
    env::var("RABBITMQ_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned())
}

fn rabbitmqctl(arguments: &[&str]) -> String {
    let output = Command::new("rabbitmqctl")
        .arg("--quiet")
        .args(arguments)
        .output()
        .expect("these tests need `rabbitmqctl` of a RabbitMQ on this machine: run `cargo xtask services`");
    assert!(
        output.status.success(),
        "rabbitmqctl failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
