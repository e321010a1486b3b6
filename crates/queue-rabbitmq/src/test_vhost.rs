//! Temporary virtual hosts for tests and benchmarks, created with the `rabbitmqctl` of a local broker.
//!
//! `RABBITMQ_NODENAME` selects the node if it is not the default one.

use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A temporary virtual host, deleted on drop.
#[derive(Debug)]
pub struct TestVhost {
    name: String,
    node: Option<String>,
}

impl TestVhost {
    /// Creates a virtual host with full permissions for the user, on the node of `RABBITMQ_NODENAME`.
    ///
    /// # Errors
    /// If `rabbitmqctl` is missing or fails.
    pub fn create(user: &str) -> io::Result<Self> {
        Self::create_on(None, user)
    }

    /// Creates a virtual host like [`Self::create`], on the given node.
    ///
    /// # Errors
    /// If `rabbitmqctl` is missing or fails.
    pub fn create_on(node: Option<String>, user: &str) -> io::Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        let vhost = Self { name, node };
        // One call creates the virtual host and its permissions: each call takes about a second.
        vhost.eval(&format!(
            "rabbit_vhost:add(VHost, <<\"tests\">>), \
             rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, VHost, \
             <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"tests\">>)."
        ))?;
        Ok(vhost)
    }

    /// Returns the name of the virtual host.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Evaluates an Erlang expression with `VHost` bound to the name, and returns its output without surrounding white space.
    ///
    /// # Errors
    /// If `rabbitmqctl` is missing or fails.
    pub fn eval(&self, expression: &str) -> io::Result<String> {
        let expression = format!("VHost = <<\"{}\">>, {expression}", self.name);
        self.control(&["eval", &expression])
    }

    /// Returns the number of queues on which each consumer is active, ascending, as `{4,4}`.
    ///
    /// # Errors
    /// If `rabbitmqctl` is missing or fails.
    pub fn active_queues(&self) -> io::Result<String> {
        self.eval(
            "Active = [proplists:get_value(channel_pid, C) || C <- rabbit_amqqueue:consumers_all(VHost), \
             proplists:get_value(active, C) =:= true], \
             list_to_tuple(lists:sort([length([P || P <- Active, P =:= Q]) || Q <- lists:usort(Active)])).",
        )
    }

    fn control(&self, arguments: &[&str]) -> io::Result<String> {
        let mut command = Command::new("rabbitmqctl");
        if let Some(node) = &self.node {
            command.env("RABBITMQ_NODENAME", node);
        }
        let output = command.arg("--quiet").args(arguments).output()?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("rabbitmqctl failed: {stderr}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for TestVhost {
    fn drop(&mut self) {
        if let Err(error) = self.control(&["delete_vhost", &self.name]) {
            tracing::warn!(%error, "cannot delete a virtual host of a test");
        }
    }
}
