//! Starting and stopping RabbitMQ from the programs that are installed.
//!
//! Run by root where no node runs, it is the machine's default node, so that a plain `rabbitmqctl` finds it. In any
//! other case it is a node of our own: another name, other ports, data and settings of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::rabbitmq_node::{self, NodeFolder};
use super::started::{FOLDER, Started};
use super::system_user::{SystemUser, is_root};
use crate::connection::Broker;
use crate::process;
use crate::progress::Progress;
use crate::workspace;

/// Where Debian keeps the programs themselves. Those in the path are wrappers that only root and rabbitmq may run.
const DEBIAN_PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// Starts a node at the port of the URL; nothing if RabbitMQ is not installed. It takes a while to answer.
pub(super) fn start(broker: &Broker) -> Result<Option<Started>> {
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
        // The node keeps what it inherits: a pipe of ours would never be closed.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let name = if as_default {
        command.env_remove("RABBITMQ_NODENAME");
        None
    } else {
        let folder = own_folder(broker)?;
        folder.write(broker)?;
        command.envs(folder.environment(broker));
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

/// Stops a node that was started here.
pub(super) fn stop(started: &Started) -> Result<()> {
    let Started::Node { name, control, .. } = started else {
        bail!("{started} is no RabbitMQ node");
    };
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

fn own_folder(broker: &Broker) -> Result<NodeFolder> {
    let name = format!("rabbitmq-{}", broker.port);
    if is_root() {
        let user = SystemUser::find("rabbitmq")?
            .context("RabbitMQ does not run as root, and there is no user rabbitmq")?;
        let path = user.home.join("order-aggregator").join(name);
        return Ok(NodeFolder::new(path, Some(user)));
    }
    Ok(NodeFolder::new(
        workspace::root().join(FOLDER).join(name),
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
