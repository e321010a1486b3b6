//! Name, ports, directory and settings of a dedicated RabbitMQ node.
//!
//! The port mapper is asked directly: its program `epmd` is not in the `PATH` of every installation.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use workspace::process;

use super::system_user::{SystemUser, create_private};
use crate::connection::Broker;

/// Port of the Erlang port mapper (epmd).
const EPMD_PORT: u16 = 4369;
const EPMD_NAMES_REQUEST: &[u8] = b"\x00\x01n";
const EPMD_TIMEOUT: Duration = Duration::from_secs(2);

/// Offset of the port for other nodes and `rabbitmqctl` from the client port, as in a default installation.
const DISTRIBUTION_OFFSET: u16 = 20_000;

/// Returns whether no node with the default name runs on this machine.
pub(super) fn default_name_is_free() -> bool {
    // Without a port mapper, no node runs.
    epmd_names().is_none_or(|names| !has_node(&names, "rabbit"))
}

fn epmd_names() -> Option<String> {
    let address = (Ipv4Addr::LOCALHOST, EPMD_PORT).into();
    let mut stream = TcpStream::connect_timeout(&address, EPMD_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(EPMD_TIMEOUT)).ok()?;
    stream.write_all(EPMD_NAMES_REQUEST).ok()?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).ok()?;
    // The response starts with the port of the port mapper (four bytes).
    Some(String::from_utf8_lossy(response.get(4..)?).into_owned())
}

/// Parses lines such as `name rabbit at port 25672`.
fn has_node(names: &str, name: &str) -> bool {
    names
        .lines()
        .any(|line| line.split_whitespace().nth(1) == Some(name))
}

/// Returns whether this machine's host name resolves. The default node's name contains it, and without an address neither
/// the node nor `rabbitmqctl` can use it.
pub(super) fn host_has_address() -> bool {
    let Ok(name) = process::capture(&mut Command::new("hostname")) else {
        return false;
    };
    let short = name.trim().split('.').next().unwrap_or_default().to_owned();
    (short.as_str(), 0).to_socket_addrs().is_ok()
}

/// Returns the name of the dedicated node for a port.
pub(super) fn own_name(broker: &Broker) -> String {
    format!("orders-{}@localhost", broker.port)
}

/// Returns the loopback address on which the node accepts clients.
pub(super) fn listen_address(broker: &Broker) -> String {
    let address = broker.host.parse::<std::net::IpAddr>();
    address.map_or_else(
        |_| Ipv4Addr::LOCALHOST.to_string(),
        |address| address.to_string(),
    )
}

fn distribution_port(port: u16) -> u16 {
    port.checked_add(DISTRIBUTION_OFFSET)
        .unwrap_or_else(|| port - DISTRIBUTION_OFFSET)
}

/// The directory of a dedicated node.
#[derive(Debug)]
pub(super) struct NodeDir {
    path: PathBuf,
    owner: Option<SystemUser>,
}

impl NodeDir {
    pub(super) fn new(path: PathBuf, owner: Option<SystemUser>) -> Self {
        Self { path, owner }
    }

    /// Writes the node's settings: user and vhost of the URL, without plugins.
    pub(super) fn write(&self, broker: &Broker) -> Result<()> {
        create_private(&self.path, self.owner.as_ref())?;
        let files = [
            ("rabbitmq.conf", settings_file(broker)),
            ("rabbitmq-env.conf", String::new()),
            ("enabled_plugins", "[].\n".to_owned()),
        ];
        for (name, text) in files {
            let file = self.path.join(name);
            std::fs::write(&file, text)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }

    /// Returns the environment variables with which `rabbitmq-server` starts this node.
    pub(super) fn environment(&self, broker: &Broker) -> HashMap<&'static str, std::ffi::OsString> {
        let file = |name: &str| self.path.join(name).into_os_string();
        HashMap::from([
            ("RABBITMQ_NODENAME", own_name(broker).into()),
            (
                "RABBITMQ_DIST_PORT",
                distribution_port(broker.port).to_string().into(),
            ),
            ("RABBITMQ_MNESIA_BASE", file("data")),
            ("RABBITMQ_LOG_BASE", file("log")),
            ("RABBITMQ_PID_FILE", file("pid")),
            ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf")),
            ("RABBITMQ_CONF_ENV_FILE", file("rabbitmq-env.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins")),
        ])
    }
}

fn settings_file(broker: &Broker) -> String {
    let Broker {
        port,
        user,
        password,
        vhost,
        ..
    } = broker;
    let address = listen_address(broker);
    let address = if address.contains(':') {
        format!("[{address}]")
    } else {
        address
    };
    format!(
        "listeners.tcp.local = {address}:{port}\ndefault_user = {user}\ndefault_pass = {password}\n\
         default_vhost = {vhost}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_is_found_by_its_full_name() {
        let names = "name rabbit2 at port 25673\nname orders-5673 at port 25674\n";
        assert!(!has_node(names, "rabbit"));
        assert!(has_node(names, "rabbit2"));
        assert!(!has_node("", "rabbit"));
    }

    #[test]
    fn distribution_port_is_always_valid() {
        assert_eq!(distribution_port(5672), 25_672);
        assert_eq!(distribution_port(60_000), 40_000);
    }
}
