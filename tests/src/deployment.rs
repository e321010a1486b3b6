//! Puts a deployment together and takes it apart.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use mock_vendor::MockVendor;
use storage_postgres::test_database::TestDatabase;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::process::{Process, binary_path};
use crate::proxy::Proxy;
use crate::vhost::{Vhost, broker_address};

/// Longest wait for anything that must come true.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until a look finds something. What is waited for is named in the failure.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain until {what}"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// What a deployment is made of.
pub struct DeploymentBuilder {
    apis: usize,
    workers: usize,
    vendors: Vec<(String, Vec<(String, i64)>)>,
    sync_every: Duration,
    settings: String,
    as_of: Option<String>,
}

impl Default for DeploymentBuilder {
    fn default() -> Self {
        Self {
            apis: 1,
            workers: 1,
            vendors: Vec::new(),
            sync_every: Duration::from_secs(1),
            settings: String::new(),
            as_of: None,
        }
    }
}

impl DeploymentBuilder {
    /// So many API processes.
    #[must_use]
    pub fn apis(mut self, number: usize) -> Self {
        self.apis = number;
        self
    }

    /// So many workers.
    #[must_use]
    pub fn workers(mut self, number: usize) -> Self {
        self.workers = number;
        self
    }

    /// One more vendor, with this stock.
    #[must_use]
    pub fn vendor(mut self, id: &str, stock: &[(&str, i64)]) -> Self {
        let stock = stock
            .iter()
            .map(|&(product, units)| (product.to_owned(), units));
        self.vendors.push((id.to_owned(), stock.collect()));
        self
    }

    /// Each vendor is synced so often.
    #[must_use]
    pub fn sync_every(mut self, every: Duration) -> Self {
        self.sync_every = every;
        self
    }

    /// The vendors' documents say at this JSON pointer as of when they are true; the items then are at `/items`.
    #[must_use]
    pub fn as_of_pointer(mut self, pointer: &str) -> Self {
        self.as_of = Some(pointer.to_owned());
        self
    }

    /// More settings, as TOML.
    #[must_use]
    pub fn settings(mut self, toml: &str) -> Self {
        self.settings.push_str(toml);
        self
    }

    /// Starts everything, and returns when all processes are ready and each vendor was synced.
    pub async fn start(self) -> Deployment {
        let database = TestDatabase::create()
            .await
            .expect("these tests need a PostgreSQL on this machine: run `cargo xtask services`");
        let vhost = tokio::task::spawn_blocking(Vhost::create).await.unwrap();
        let broker = Proxy::start(broker_address()).await;
        let folder = tempfile::tempdir().unwrap();
        let mut config = self.settings.clone();
        let mut vendors = Vec::new();
        for (id, stock) in &self.vendors {
            let vendor = MockVendor::start_local(stock.clone()).unwrap();
            // Writing to a String cannot fail.
            let _ = write!(
                config,
                "\n[[vendors]]\nid = \"{id}\"\nurl = \"{}\"\nevery = \"{}ms\"\n",
                vendor.url(),
                self.sync_every.as_millis()
            );
            if let Some(pointer) = &self.as_of {
                vendor.set_as_of(Some("2000-01-01T00:00:00Z"));
                let _ = write!(
                    config,
                    "[vendors.format]\nitems = \"/items\"\nas_of = \"{pointer}\"\n"
                );
            }
            vendors.push(vendor);
        }
        if vendors.is_empty() {
            config.insert_str(0, "vendors = []\n");
        }
        let config_file = folder.path().join("settings.toml");
        std::fs::write(&config_file, config).unwrap();

        let mut deployment = Deployment {
            apis: Vec::new(),
            workers: Vec::new(),
            api_ports: (0..self.apis).map(|_| free_port()).collect(),
            worker_ports: (0..self.workers).map(|_| free_port()).collect(),
            database,
            vhost,
            broker,
            vendors,
            folder,
            config_file,
        };
        for number in 0..self.apis {
            let process = deployment.api_process(number);
            deployment.apis.push(process);
        }
        for number in 0..self.workers {
            let process = deployment.worker_process(number);
            deployment.workers.push(process);
        }
        for number in 0..self.apis {
            deployment.api_ready(number).await;
        }
        for number in 0..self.workers {
            deployment.worker_ready(number).await;
        }
        deployment.synced().await;
        deployment
    }
}

/// A running deployment.
pub struct Deployment {
    // Processes go first when this is dropped, then what they talk to.
    /// The API processes.
    pub apis: Vec<Process>,
    /// The workers.
    pub workers: Vec<Process>,
    /// The vendors, in the order in which they were added.
    pub vendors: Vec<MockVendor>,
    /// Between the processes and the broker.
    pub broker: Proxy,
    /// The database.
    pub database: TestDatabase,
    vhost: Vhost,
    api_ports: Vec<u16>,
    worker_ports: Vec<u16>,
    folder: TempDir,
    config_file: PathBuf,
}

impl Deployment {
    /// One API, one worker, no vendor.
    #[must_use]
    pub fn builder() -> DeploymentBuilder {
        DeploymentBuilder::default()
    }

    /// A consumer of an API process.
    #[must_use]
    pub fn client(&self, api: usize) -> Client {
        Client::new(format!("http://127.0.0.1:{}", self.api_ports[api]))
    }

    /// A reader of a worker's health pages.
    #[must_use]
    pub fn worker_client(&self, worker: usize) -> Client {
        Client::new(format!("http://127.0.0.1:{}", self.worker_ports[worker]))
    }

    /// Starts an API process that was killed again, at its port.
    pub async fn restart_api(&mut self, number: usize) {
        self.apis[number] = self.api_process(number);
        self.api_ready(number).await;
    }

    /// Starts a worker that was killed again.
    pub async fn restart_worker(&mut self, number: usize) {
        self.workers[number] = self.worker_process(number);
        self.worker_ready(number).await;
    }

    /// Starts one more worker.
    pub async fn add_worker(&mut self) {
        self.worker_ports.push(free_port());
        let number = self.workers.len();
        let process = self.worker_process(number);
        self.workers.push(process);
        self.worker_ready(number).await;
    }

    /// Waits until no order is `PENDING`.
    pub async fn all_settled(&self) {
        let client = self.client(0);
        eventually("no order is PENDING", async || {
            let page = client
                .try_get("/api/v1/orders?status=PENDING&limit=1")
                .await
                .ok()?;
            let page: serde_json::Value = page.json().await.ok()?;
            page["items"].as_array()?.is_empty().then_some(())
        })
        .await;
    }

    /// Runs `xtask audit`, which must find nothing.
    pub async fn audit(&self) {
        let output = Command::new(binary_path("xtask"))
            .arg("audit")
            .envs(self.database_environment())
            .output()
            .await
            .expect("xtask cannot be started: run `cargo build --workspace --bins`");
        assert!(
            output.status.success(),
            "the audit is not clean:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Waits until each vendor was asked for reports so many times more, and the last of them is applied: a vendor is
    /// asked again only after that.
    pub async fn syncs(&self, times: u64) {
        let before: Vec<u64> = self.vendors.iter().map(MockVendor::requests).collect();
        eventually("each vendor was synced", async || {
            let asked = self.vendors.iter().zip(&before);
            asked
                .into_iter()
                .all(|(vendor, before)| vendor.requests() > before + times)
                .then_some(())
        })
        .await;
    }

    async fn synced(&self) {
        if self.vendors.is_empty() || self.workers.is_empty() {
            return;
        }
        self.syncs(1).await;
    }

    /// Publishes a message of any content to one of the order queues, past the program.
    pub fn publish_raw(&self, queue: &str, body: &str) {
        self.vhost.eval(&format!(
            "X = rabbit_misc:r(VHost, exchange, <<\"\">>), \
             Message = rabbit_basic:message(X, <<\"{queue}\">>, [], <<\"{body}\">>), \
             rabbit_basic:publish(rabbit_basic:delivery(false, false, Message, undefined))."
        ));
    }

    /// How many messages wait in a queue.
    #[must_use]
    pub fn queue_depth(&self, queue: &str) -> u64 {
        let printed = self.vhost.eval(&format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(VHost, queue, <<\"{queue}\">>)), \
             [{{messages, N}}] = rabbit_amqqueue:info(Q, [messages]), N."
        ));
        printed.trim().parse().expect("a queue's depth is a number")
    }

    async fn api_ready(&self, number: usize) {
        let client = self.client(number);
        self.ready("api", &client, number).await;
    }

    async fn worker_ready(&self, number: usize) {
        let client = self.worker_client(number);
        self.ready("worker", &client, number).await;
    }

    async fn ready(&self, kind: &str, client: &Client, number: usize) {
        let started = Instant::now();
        loop {
            if let Ok(answer) = client.try_get("/readyz").await
                && answer.status().is_success()
            {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{kind} {number} did not become ready; its log:\n{}",
                std::fs::read_to_string(self.folder.path().join(format!("{kind}-{number}.log")))
                    .unwrap_or_default()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn api_process(&self, number: usize) -> Process {
        let port = ("PORT", self.api_ports[number].to_string());
        self.process("api", number, port)
    }

    fn worker_process(&self, number: usize) -> Process {
        let port = ("WORKER_PORT", self.worker_ports[number].to_string());
        self.process("worker", number, port)
    }

    fn database_environment(&self) -> Vec<(&'static str, String)> {
        let options = self.database.options();
        let mut environment = vec![
            ("DB_HOST", options.host.clone()),
            ("DB_PORT", options.port.to_string()),
            ("DB_USER", options.user.clone()),
            ("DB_NAME", options.database.clone()),
        ];
        if let Some(password) = &options.password {
            environment.push(("DB_PASSWORD", password.clone()));
        }
        environment
    }

    fn process(&self, binary: &str, number: usize, port: (&'static str, String)) -> Process {
        let mut environment = self.database_environment();
        environment.push(port);
        let broker = self.broker.address().to_string();
        environment.push(("RABBITMQ_URL", self.vhost.url_at(&broker)));
        let name = format!("{binary}-{number}");
        Process::start(
            binary,
            &name,
            self.folder.path(),
            &self.config_file,
            &environment,
        )
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
