//! Starts and stops RabbitMQ from the installed programs.
//!
//! If this program runs as root and no node runs, it starts the machine's default node, so that `rabbitmqctl` finds it
//! without options. Otherwise it starts a dedicated node with its own name, ports, data and settings.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use progress::Progress;
use workspace::process;

use super::rabbitmq_node::{self, NodeDir};
use super::started::{SERVICES_DIR, Started};
use super::system_user::{SystemUser, is_root};
use crate::connection::Broker;

/// Directory of the actual programs on Debian. Those in `PATH` are wrappers that only root and rabbitmq may run.
const DEBIAN_PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// Starts a node on the port of the URL. Returns `None` if RabbitMQ is not installed. The node is not ready immediately.
pub(super) fn start(broker: &Broker) -> Result<Option<Started>> {
    if broker.tls.is_some() {
        bail!(
            "a broker with TLS is not started here: start it, or set RABBITMQ_URL to an amqp:// URL"
        );
    }
    let (Some(server), Some(control)) = (program("rabbitmq-server"), program("rabbitmqctl")) else {
        return Ok(None);
    };
    let progress = Progress::spinner("starting RabbitMQ");
    let as_default =
        is_root() && rabbitmq_node::default_name_is_free() && rabbitmq_node::host_has_address();
    let mut command = Command::new(server);
    command
        .arg("-detached")
        .current_dir("/")
        .env(
            "RABBITMQ_NODE_IP_ADDRESS",
            rabbitmq_node::listen_address(broker),
        )
        .env("RABBITMQ_NODE_PORT", broker.port.to_string())
        // The node inherits the standard streams, so a pipe would never be closed.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let name = if as_default {
        command.env_remove("RABBITMQ_NODENAME");
        None
    } else {
        let dir = node_dir(broker)?;
        dir.write(broker)?;
        command.envs(dir.environment(broker));
        Some(rabbitmq_node::own_name(broker))
    };
    let status = command.status().context("cannot run rabbitmq-server")?;
    if !status.success() {
        bail!("rabbitmq-server failed with {status}");
    }
    let started = Started::Node {
        name,
        port: broker.port,
        control,
    };
    progress.finish(&format!("started {started}"));
    Ok(Some(started))
}

/// Stops a node that was started by this program.
pub(super) fn stop(name: Option<&str>, control: &Path) -> Result<()> {
    let control = |action: &str| {
        let mut command = Command::new(control);
        command.current_dir("/");
        match name {
            Some(name) => command.args(["-n", name]),
            None => command.env_remove("RABBITMQ_NODENAME"),
        };
        command.arg(action);
        command
    };
    if process::succeeds(&mut control("ping")) {
        process::capture(&mut control("shutdown"))?;
    }
    Ok(())
}

fn node_dir(broker: &Broker) -> Result<NodeDir> {
    let name = format!("rabbitmq-{}", broker.port);
    if is_root() {
        let user = SystemUser::find("rabbitmq")?
            .context("RabbitMQ cannot run as root, and the user rabbitmq does not exist")?;
        let path = user.home.join("order-aggregator").join(name);
        return Ok(NodeDir::new(path, Some(user)));
    }
    Ok(NodeDir::new(
        workspace::root().join(SERVICES_DIR).join(name),
        None,
    ))
}

fn program(name: &str) -> Option<PathBuf> {
    let direct = PathBuf::from(DEBIAN_PROGRAMS).join(name);
    if !is_root() && direct.is_file() {
        return Some(direct);
    }
    process::find(name)
}
