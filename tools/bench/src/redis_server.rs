//! A Redis server, and the program `ceilings` in front of it: a peer that settles each order with a script.

use std::collections::HashSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dev_env::children::Children;
use dev_env::endpoints;
use dev_env::programs::Programs;
use dev_env::services::debian;
use redis::{Client, RedisResult};
use tempfile::TempDir;
use workspace::process;

use super::system::temp_dir_on_disk;
use super::topics::Topic;

const PROGRAM: &str = "redis-server";
/// Key of the stream of orders.
const ORDERS: &str = "orders";
/// Maximum time until a restarted server has read its log.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Installs the server if a topic needs it, it is missing, and this machine supports it.
pub(super) fn ensure_installed(topics: &[Topic]) -> Result<()> {
    let is_needed = |topic: &Topic| matches!(topic, Topic::Hot | Topic::Crash);
    if !topics.iter().any(is_needed) {
        return Ok(());
    }
    if process::find(PROGRAM).is_none() && debian::can_install() {
        debian::install_test_servers(&[PROGRAM])?;
    }
    ensure!(
        process::find(PROGRAM).is_some(),
        "redis-server is not installed: install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)"
    );
    Ok(())
}

/// The running peer, with an empty stream of orders.
pub(super) struct RedisPeer {
    // Field order is drop order.
    server: Children,
    handler: Children,
    pub(super) address: SocketAddr,
    port: u16,
    dir: TempDir,
}

impl RedisPeer {
    pub(super) async fn start(programs: &Programs) -> Result<Self> {
        let mut peer = Self {
            server: Children::default(),
            handler: Children::default(),
            address: endpoints::free_address()?,
            port: endpoints::free_address()?.port(),
            dir: temp_dir_on_disk()?,
        };
        peer.start_server().await?;
        let arguments: [OsString; 3] = [
            "redis".into(),
            format!("--port={}", peer.address.port()).into(),
            format!("--redis={}", peer.port).into(),
        ];
        let program = programs.path("ceilings")?;
        peer.handler.start("ceilings", program, &arguments, &[])?;
        peer.handler.wait_until_ready(peer.address).await?;
        Ok(peer)
    }

    /// Starts the server on its files, and waits until it responds.
    pub(super) async fn start_server(&mut self) -> Result<()> {
        let program = process::find(PROGRAM).context("redis-server is not installed")?;
        let arguments = arguments(self.port, self.dir.path());
        self.server.start("redis", &program, &arguments, &[])?;
        let is_ready = async {
            while self.orders().await.is_err() {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let ready = tokio::time::timeout(START_TIMEOUT, is_ready).await;
        ready.context("Redis is not ready")
    }

    /// Kills the server, as a crash would.
    pub(super) async fn kill_server(&mut self) {
        self.server.kill_all().await;
    }

    /// Returns the ids of all orders.
    pub(super) async fn orders(&self) -> RedisResult<HashSet<String>> {
        let client = Client::open(format!("redis://127.0.0.1:{}", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut range = redis::cmd("XRANGE");
        let range = range.arg(ORDERS).arg("-").arg("+");
        let entries: Vec<(String, Vec<String>)> = range.query_async(&mut connection).await?;
        Ok(entries.into_iter().map(|(id, _)| id).collect())
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.handler.stop_all().await?;
        self.server.stop_all().await
    }
}

/// The log is written to disk before each response; there are no snapshots.
fn arguments(port: u16, dir: &Path) -> Vec<OsString> {
    let port = port.to_string();
    let mut arguments: Vec<OsString> = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--loglevel",
        "warning",
        "--dir",
    ]
    .map(OsString::from)
    .into();
    arguments.push(dir.into());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn killed_server_keeps_its_orders() {
        ensure_installed(&[Topic::Hot]).unwrap();
        std::env::set_current_dir(workspace::root()).unwrap();
        let mut peer = RedisPeer {
            server: Children::default(),
            handler: Children::default(),
            address: endpoints::free_address().unwrap(),
            port: endpoints::free_address().unwrap().port(),
            dir: temp_dir_on_disk().unwrap(),
        };
        peer.start_server().await.unwrap();
        let client = Client::open(format!("redis://127.0.0.1:{}", peer.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut add = redis::cmd("XADD");
        let add = add.arg(ORDERS).arg("*").arg("product").arg("SKU-1");
        let id: String = add.query_async(&mut connection).await.unwrap();
        peer.kill_server().await;
        assert!(peer.orders().await.is_err());
        peer.start_server().await.unwrap();
        assert_eq!(peer.orders().await.unwrap(), HashSet::from([id]));
        peer.stop().await.unwrap();
    }
}
