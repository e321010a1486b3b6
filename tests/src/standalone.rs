//! The embedded deployment, for one test: its own data file, vendors and port.

use std::path::PathBuf;
use std::time::Duration;

use mock_vendor::MockVendor;
use tempfile::TempDir;

use crate::consumer::Consumer;
use crate::deployment::free_port;
use crate::process::Process;
use crate::{vendors, waiting, xtask};

/// One process with everything in it, and vendors that outlive it.
pub struct Standalone {
    // The process goes first when this is dropped, then what it talks to.
    /// The process.
    pub process: Process,
    /// The vendors, in the order in which they were given.
    pub vendors: Vec<MockVendor>,
    place: Place,
}

/// Where the process works, whether it runs or not.
struct Place {
    port: u16,
    folder: TempDir,
}

impl Place {
    fn new(config: &str) -> Self {
        let place = Self {
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(place.config(), config).unwrap();
        place
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("settings.toml")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data").join("shop.db")
    }

    fn start(&self, name: &str, arguments: &[&str], environment: &[(&str, String)]) -> Process {
        let folder = self.folder.path();
        let config = self.config();
        Process::start("standalone", name, folder, &config, arguments, environment)
    }

    fn start_usually(&self) -> Process {
        let (data, port) = (self.data(), self.port.to_string());
        let arguments = ["--data", data.to_str().unwrap(), "--port", &port];
        self.start("standalone", &arguments, &[])
    }
}

impl Standalone {
    /// Starts it with these vendors, and returns when it is ready and each of them was read.
    pub async fn start(stocks: &[(&str, &[(&str, i64)])], settings: &str) -> Self {
        let stocks = stocks
            .iter()
            .map(|(id, stock)| vendors::stock(id, stock))
            .collect();
        let every = Duration::from_secs(1);
        let (vendors, config) = vendors::start(&stocks, every, None, settings);
        Self::start_on(vendors, &config).await
    }

    /// Starts it with these settings alone, and returns when it says that everything is ready.
    pub async fn start_with(settings: &str) -> Self {
        Self::start_on(Vec::new(), settings).await
    }

    async fn start_on(vendors: Vec<MockVendor>, config: &str) -> Self {
        let place = Place::new(config);
        let standalone = Self {
            process: place.start_usually(),
            vendors,
            place,
        };
        waiting::eventually("everything is ready", async || {
            standalone.process.log().contains("is ready").then_some(())
        })
        .await;
        standalone
    }

    /// A consumer of its API.
    #[must_use]
    pub fn client(&self) -> Consumer {
        Consumer::new(format!("http://127.0.0.1:{}", self.place.port))
    }

    /// Adds settings, as TOML, for the next start.
    pub fn add_settings(&self, toml: &str) {
        let path = self.place.config();
        let settings = std::fs::read_to_string(&path).unwrap() + toml;
        std::fs::write(path, settings).unwrap();
    }

    /// Replaces the settings, as TOML, for the next start.
    pub fn set_settings(&self, toml: &str) {
        std::fs::write(self.place.config(), toml).unwrap();
    }

    /// Starts a process that ended again.
    pub fn restart(&mut self) {
        self.process = self.place.start_usually();
    }

    /// Waits until it can do its work.
    pub async fn ready(&self) {
        waiting::ready(&self.process, &self.client()).await;
    }

    /// Starts another process in the same folder, with whatever arguments and environment.
    #[must_use]
    pub fn start_another(
        &self,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Process {
        self.place.start(name, arguments, environment)
    }

    /// The data file.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.place.data()
    }

    /// The file of its settings.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.place.config()
    }

    /// The port of its API.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Runs `xtask audit` on the data file, which must find nothing; whether the process runs or not.
    pub async fn audit(&self) {
        let data = self.data();
        xtask::succeed(&["audit", "--data", data.to_str().unwrap()], &[]).await;
    }
}
