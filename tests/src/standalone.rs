//! The embedded deployment for one test, with its own data file, vendors and port.

use std::path::PathBuf;

use mock_vendor::MockVendor;
use tempfile::TempDir;

use crate::consumer::Consumer;
use crate::deployment::free_port;
use crate::process::{Process, SETTINGS};
use crate::vendors::{self, vendor_settings};
use crate::{admin, waiting};

const PROGRAM: &str = "order-aggregator";

/// A standalone process and its vendors. The vendors keep running while the process restarts.
pub struct Standalone {
    // Field order is drop order: the process is dropped before its vendors.
    /// The process.
    pub process: Process,
    /// The vendors, in the order in which they were given.
    pub vendors: Vec<MockVendor>,
    dir: TempDir,
}

impl Standalone {
    /// Starts the process with these vendors. Returns once it is ready and each vendor is synced.
    pub async fn start(stocks: &[(&str, &[(&str, i64)])], settings: &str) -> Self {
        let stocks = stocks
            .iter()
            .map(|(id, stock)| vendors::stock(id, stock))
            .collect();
        let (vendors, config) = vendors::start(&stocks, "1s", false, settings);
        Self::start_on(vendors, &config).await
    }

    /// Starts the process with these settings only. Returns once it logs that it is ready.
    pub async fn start_with(settings: &str) -> Self {
        Self::start_on(Vec::new(), settings).await
    }

    async fn start_on(vendors: Vec<MockVendor>, config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SETTINGS), config).unwrap();
        let standalone = Self {
            process: start(&dir, free_port()),
            vendors,
            dir,
        };
        waiting::eventually("the process is ready", async || {
            standalone.process.log().contains("is ready").then_some(())
        })
        .await;
        standalone
    }

    /// Returns a client of the API.
    #[must_use]
    pub fn client(&self) -> Consumer {
        self.process.client()
    }

    /// Returns the URL of the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Adds settings, as TOML, for the next start.
    pub fn add_settings(&self, toml: &str) {
        let settings = std::fs::read_to_string(self.config()).unwrap();
        self.set_settings(&(settings + toml));
    }

    /// Adds a vendor that is requested once per sync, for the next start.
    pub fn add_vendor(&self, id: &str, vendor: &MockVendor, timeout: &str) {
        let more = format!("timeout = \"{timeout}\"\nretries = 0\n");
        self.add_settings(&vendor_settings(id, &vendor.url(), "1s", &more));
    }

    /// Replaces the settings, as TOML, for the next start.
    pub fn set_settings(&self, toml: &str) {
        std::fs::write(self.config(), toml).unwrap();
    }

    /// Starts the process again after it has exited. Does not wait until it is ready.
    pub fn start_again(&mut self) {
        self.process = start(&self.dir, self.port());
    }

    /// Starts the process again after it has exited. Returns once it is ready.
    pub async fn restart(&mut self) {
        self.start_again();
        self.ready().await;
    }

    /// Terminates the process, which must succeed, and restarts it with these settings, as TOML.
    pub async fn restart_with(&mut self, toml: &str) {
        assert!(self.process.terminate().await, "{}", self.process.log());
        self.set_settings(toml);
        self.restart().await;
    }

    /// Waits until the process is ready.
    pub async fn ready(&self) {
        self.process.ready().await;
    }

    /// Starts another process in the same directory with these arguments and this environment.
    #[must_use]
    pub fn start_another(
        &self,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Process {
        let dir = self.dir.path();
        Process::start(PROGRAM, name, dir, 0, arguments, environment)
    }

    /// Returns the path of the data file.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        data(&self.dir)
    }

    /// Returns the path of the settings file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.dir.path().join(SETTINGS)
    }

    /// Returns the port of the API.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.process.port()
    }

    /// Runs `order-aggregator-admin audit` on the data file, which must succeed. The process may be running.
    pub async fn audit(&self) {
        let data = self.data();
        admin::succeed(&["audit", "--data", data.to_str().unwrap()], &[]).await;
    }
}

fn data(dir: &TempDir) -> PathBuf {
    dir.path().join("data").join("shop.db")
}

fn start(dir: &TempDir, port: u16) -> Process {
    let (data, port_text) = (data(dir), port.to_string());
    let arguments = ["--data", data.to_str().unwrap(), "--port", &port_text];
    Process::start(PROGRAM, PROGRAM, dir.path(), port, &arguments, &[])
}
