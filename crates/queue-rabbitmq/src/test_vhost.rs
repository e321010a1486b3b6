//! Throw-away virtual hosts for tests and measurements, made with the `rabbitmqctl` of the broker on this machine.
//!
//! `RABBITMQ_NODENAME` says which node, where it is not the machine's default one.

use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A virtual host of its own, deleted with this value.
#[derive(Debug)]
pub struct TestVhost {
    name: String,
    node: Option<String>,
}

impl TestVhost {
    /// Creates one, with all rights for the user, on the node of `RABBITMQ_NODENAME`.
    ///
    /// # Errors
    /// If `rabbitmqctl` is not there or fails.
    pub fn create(user: &str) -> io::Result<Self> {
        Self::create_on(None, user)
    }

    /// The same on a node of another name.
    ///
    /// # Errors
    /// If `rabbitmqctl` is not there or fails.
    pub fn create_on(node: Option<String>, user: &str) -> io::Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        let vhost = Self { name, node };
        // One call for vhost and rights: each takes about a second.
        vhost.eval(&format!(
            "rabbit_vhost:add(VHost, <<\"tests\">>), \
             rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, VHost, \
             <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"tests\">>)."
        ))?;
        Ok(vhost)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs an Erlang expression with `VHost` bound to the name, and returns what it prints.
    ///
    /// # Errors
    /// If `rabbitmqctl` is not there or fails.
    pub fn eval(&self, expression: &str) -> io::Result<String> {
        let expression = format!("VHost = <<\"{}\">>, {expression}", self.name);
        self.control(&["eval", &expression])
    }

    fn control(&self, arguments: &[&str]) -> io::Result<String> {
        let mut command = Command::new("rabbitmqctl");
        if let Some(node) = &self.node {
            command.env("RABBITMQ_NODENAME", node);
        }
        let output = command.arg("--quiet").args(arguments).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("rabbitmqctl failed: {said}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for TestVhost {
    fn drop(&mut self) {
        if let Err(error) = self.control(&["delete_vhost", &self.name]) {
            tracing::warn!(%error, "a virtual host of a test was left behind");
        }
    }
}
