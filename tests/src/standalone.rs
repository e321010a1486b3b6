//! The embedded deployment for one test, with its own data file, vendors and port.

use std::path::PathBuf;
use std::time::Duration;

use mock_vendor::MockVendor;
use tempfile::TempDir;

use crate::consumer::Consumer;
use crate::deployment::free_port;
use crate::process::Process;
use crate::{admin, vendors, waiting};

/// A standalone process and its vendors. The vendors keep running while the process restarts.
pub struct Standalone {
    // Field order is drop order: the process is dropped before its vendors.
    /// The process.
    pub process: Process,
    /// The vendors, in the order in which they were given.
    pub vendors: Vec<MockVendor>,
    workdir: Workdir,
}

/// Directory and port of the process, independent of whether it runs.
struct Workdir {
    port: u16,
    dir: TempDir,
}

impl Workdir {
    fn new(config: &str) -> Self {
        let workdir = Self {
            port: free_port(),
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::write(workdir.config(), config).unwrap();
        workdir
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("settings.toml")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data").join("shop.db")
    }

    fn start(&self, name: &str, arguments: &[&str], environment: &[(&str, String)]) -> Process {
        let dir = self.dir.path();
        let config = self.config();
        Process::start(
            "order-aggregator",
            name,
            dir,
            &config,
            arguments,
            environment,
        )
    }

    fn start_default(&self) -> Process {
        let (data, port) = (self.data(), self.port.to_string());
        let arguments = ["--data", data.to_str().unwrap(), "--port", &port];
        self.start("standalone", &arguments, &[])
    }
}

impl Standalone {
    /// Starts the process with these vendors. Returns once it is ready and each vendor is synced.
    pub async fn start(stocks: &[(&str, &[(&str, i64)])], settings: &str) -> Self {
        let stocks = stocks
            .iter()
            .map(|(id, stock)| vendors::stock(id, stock))
            .collect();
        let sync_interval = Duration::from_secs(1);
        let (vendors, config) = vendors::start(&stocks, sync_interval, None, settings);
        Self::start_on(vendors, &config).await
    }

    /// Starts the process with these settings only. Returns once it logs that it is ready.
    pub async fn start_with(settings: &str) -> Self {
        Self::start_on(Vec::new(), settings).await
    }

    async fn start_on(vendors: Vec<MockVendor>, config: &str) -> Self {
        let workdir = Workdir::new(config);
        let standalone = Self {
            process: workdir.start_default(),
            vendors,
            workdir,
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
        Consumer::new(format!("http://127.0.0.1:{}", self.workdir.port))
    }

    /// Adds settings, as TOML, for the next start.
    pub fn add_settings(&self, toml: &str) {
        let path = self.workdir.config();
        let settings = std::fs::read_to_string(&path).unwrap() + toml;
        std::fs::write(path, settings).unwrap();
    }

    /// Replaces the settings, as TOML, for the next start.
    pub fn set_settings(&self, toml: &str) {
        std::fs::write(self.workdir.config(), toml).unwrap();
    }

    /// Restarts the process after it has exited.
    pub fn restart(&mut self) {
        self.process = self.workdir.start_default();
    }

    /// Waits until the process is ready.
    pub async fn ready(&self) {
        waiting::ready(&self.process, &self.client()).await;
    }

    /// Starts another process in the same directory with these arguments and this environment.
    #[must_use]
    pub fn start_another(
        &self,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Process {
        self.workdir.start(name, arguments, environment)
    }

    /// Returns the path of the data file.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.workdir.data()
    }

    /// Returns the path of the settings file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.workdir.config()
    }

    /// Returns the port of the API.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.workdir.port
    }

    /// Runs `order-aggregator-admin audit` on the data file, which must succeed. The process may be running.
    pub async fn audit(&self) {
        let data = self.data();
        admin::succeed(&["audit", "--data", data.to_str().unwrap()], &[]).await;
    }
}
