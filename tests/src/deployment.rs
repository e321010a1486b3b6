//! Starts and stops a deployment of API processes, workers and vendors.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use mock_vendor::MockVendor;
use storage_postgres::PgOptions;
use storage_postgres::test_database::TestDatabase;
use tempfile::TempDir;

use crate::consumer::Consumer;
use crate::process::Process;
use crate::proxy::Proxy;
use crate::vendors::{self, Stocks};
use crate::vhost::{Vhost, broker_address};
use crate::waiting::eventually;
use crate::{admin, waiting};

/// Configuration of a deployment.
pub struct DeploymentBuilder {
    apis: usize,
    workers: usize,
    vendors: Stocks,
    sync_interval: Duration,
    settings: String,
    as_of: Option<String>,
    server: Option<PgOptions>,
    database_port: Option<u16>,
}

impl Default for DeploymentBuilder {
    fn default() -> Self {
        Self {
            apis: 1,
            workers: 1,
            vendors: Vec::new(),
            sync_interval: Duration::from_secs(1),
            settings: String::new(),
            as_of: None,
            server: None,
            database_port: None,
        }
    }
}

impl DeploymentBuilder {
    /// Sets the number of API processes.
    #[must_use]
    pub fn apis(mut self, number: usize) -> Self {
        self.apis = number;
        self
    }

    /// Sets the number of workers.
    #[must_use]
    pub fn workers(mut self, number: usize) -> Self {
        self.workers = number;
        self
    }

    /// Adds a vendor with this stock.
    #[must_use]
    pub fn vendor(mut self, id: &str, stock: &[(&str, i64)]) -> Self {
        self.vendors.push(vendors::stock(id, stock));
        self
    }

    /// Sets the sync interval of each vendor.
    #[must_use]
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval;
        self
    }

    /// Sets the JSON pointer of the as-of in the vendors' reports; the items are then at `/items`.
    #[must_use]
    pub fn as_of_pointer(mut self, pointer: &str) -> Self {
        self.as_of = Some(pointer.to_owned());
        self
    }

    /// Uses a dedicated PostgreSQL server. Its database is not dropped at the end, because the server is removed.
    #[must_use]
    pub fn on_server(mut self, server: PgOptions) -> Self {
        self.server = Some(server);
        self
    }

    /// Makes the programs connect to the database at this loopback port, the port of a proxy or pooler.
    #[must_use]
    pub fn database_port(mut self, port: u16) -> Self {
        self.database_port = Some(port);
        self
    }

    /// Adds settings, as TOML.
    #[must_use]
    pub fn settings(mut self, toml: &str) -> Self {
        self.settings.push_str(toml);
        self
    }

    /// Starts the deployment. Returns once all processes are ready and each vendor is synced.
    pub async fn start(self) -> Deployment {
        let created = match self.server {
            Some(server) => TestDatabase::create_on(server)
                .await
                .map(TestDatabase::keep_on_drop),
            None => TestDatabase::create().await,
        };
        let database = created
            .expect("PostgreSQL is not reachable on this machine: run `cargo xtask services`");
        let vhost = tokio::task::spawn_blocking(Vhost::create).await.unwrap();
        let broker = Proxy::start(broker_address()).await;
        let dir = tempfile::tempdir().unwrap();
        let (vendors, config) = vendors::start(
            &self.vendors,
            self.sync_interval,
            self.as_of.as_deref(),
            &self.settings,
        );
        let config_file = dir.path().join("settings.toml");
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
            dir,
            config_file,
            database_port: self.database_port,
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
    // Field order is drop order: the processes are dropped before the servers that they use.
    /// The API processes.
    pub apis: Vec<Process>,
    /// The workers.
    pub workers: Vec<Process>,
    /// The vendors, in the order in which they were added.
    pub vendors: Vec<MockVendor>,
    /// The proxy between the processes and the broker.
    pub broker: Proxy,
    /// The database.
    pub database: TestDatabase,
    vhost: Vhost,
    api_ports: Vec<u16>,
    worker_ports: Vec<u16>,
    dir: TempDir,
    config_file: PathBuf,
    database_port: Option<u16>,
}

impl Deployment {
    /// Returns a builder with one API process, one worker and no vendor.
    #[must_use]
    pub fn builder() -> DeploymentBuilder {
        DeploymentBuilder::default()
    }

    /// Returns a client of an API process.
    #[must_use]
    pub fn client(&self, api: usize) -> Consumer {
        Consumer::new(self.api_url(api))
    }

    /// Returns a client of an API process that sends an API key.
    #[must_use]
    pub fn client_with_key(&self, api: usize, key: &str) -> Consumer {
        Consumer::with_key(self.api_url(api), Some(key))
    }

    /// Returns the port of an API process.
    #[must_use]
    pub fn api_port(&self, api: usize) -> u16 {
        self.api_ports[api]
    }

    fn api_url(&self, api: usize) -> String {
        format!("http://127.0.0.1:{}", self.api_ports[api])
    }

    /// Returns a client of a worker's health endpoints.
    #[must_use]
    pub fn worker_client(&self, worker: usize) -> Consumer {
        Consumer::new(format!("http://127.0.0.1:{}", self.worker_ports[worker]))
    }

    /// Edits the settings file (TOML) for processes started later.
    pub fn edit_settings(&self, edit: impl FnOnce(String) -> String) {
        let settings = std::fs::read_to_string(&self.config_file).unwrap();
        std::fs::write(&self.config_file, edit(settings)).unwrap();
    }

    /// Restarts a killed API process on its port.
    pub async fn restart_api(&mut self, number: usize) {
        self.apis[number] = self.api_process(number);
        self.api_ready(number).await;
    }

    /// Restarts a killed worker.
    pub async fn restart_worker(&mut self, number: usize) {
        self.workers[number] = self.worker_process(number);
        self.worker_ready(number).await;
    }

    /// Starts an additional worker.
    pub async fn add_worker(&mut self) {
        self.worker_ports.push(free_port());
        let number = self.workers.len();
        let process = self.worker_process(number);
        self.workers.push(process);
        self.worker_ready(number).await;
    }

    /// Waits until no order is `PENDING`.
    pub async fn all_settled(&self) {
        self.client(0).all_settled().await;
    }

    /// Runs `order-aggregator-admin audit`, which must succeed.
    pub async fn audit(&self) {
        admin::succeed(&["audit"], &database_environment(&self.database)).await;
    }

    /// Waits until each vendor's report was fetched and applied `times` more times. Waits for one more request than `times`,
    /// because a vendor is polled again only after its last report is applied.
    pub async fn wait_for_syncs(&self, times: u64) {
        let before: Vec<u64> = self.vendors.iter().map(MockVendor::requests).collect();
        eventually("each vendor is synced", async || {
            let vendors = self.vendors.iter().zip(&before);
            vendors
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
        self.wait_for_syncs(1).await;
    }

    /// Publishes a message with any body directly to a queue.
    pub fn publish_raw(&self, queue: &str, body: &str) {
        // Debian's rabbitmqctl wrapper does not preserve a backslash before a quote, so pass the body as byte values.
        let bytes: Vec<String> = body.bytes().map(|byte| byte.to_string()).collect();
        let body = bytes.join(",");
        self.vhost.eval(&format!(
            "X = rabbit_misc:r(VHost, exchange, <<\"\">>), \
             Message = rabbit_basic:message(X, <<\"{queue}\">>, [], <<{body}>>), \
             rabbit_basic:publish(rabbit_basic:delivery(false, false, Message, undefined))."
        ));
    }

    /// Returns the number of messages in a queue.
    #[must_use]
    pub fn queue_depth(&self, queue: &str) -> u64 {
        let printed = self.vhost.eval(&format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(VHost, queue, <<\"{queue}\">>)), \
             [{{messages, N}}] = rabbit_amqqueue:info(Q, [messages]), N."
        ));
        printed.trim().parse().expect("a queue's depth is a number")
    }

    /// Returns the number of queues on which each worker has the active consumer, in ascending order, such as `{4,4}`.
    #[must_use]
    pub fn active_queues(&self) -> String {
        let printed = self.vhost.eval(
            "Active = [proplists:get_value(channel_pid, C) || C <- rabbit_amqqueue:consumers_all(VHost), \
             proplists:get_value(active, C) =:= true], \
             list_to_tuple(lists:sort([length([P || P <- Active, P =:= Q]) || Q <- lists:usort(Active)])).",
        );
        printed.trim().to_owned()
    }

    /// Returns the environment variables that select this deployment's database and vhost.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = database_environment(&self.database);
        if let Some(port) = self.database_port {
            environment.push(("DB_PORT", port.to_string()));
        }
        let broker = self.broker.address().to_string();
        environment.push(("RABBITMQ_URL", self.vhost.url_at(&broker)));
        environment
    }

    async fn api_ready(&self, number: usize) {
        waiting::ready(&self.apis[number], &self.client(number)).await;
    }

    async fn worker_ready(&self, number: usize) {
        waiting::ready(&self.workers[number], &self.worker_client(number)).await;
    }

    fn api_process(&self, number: usize) -> Process {
        let port = ("PORT", self.api_ports[number].to_string());
        self.process("order-aggregator-api", number, &[port])
    }

    fn worker_process(&self, number: usize) -> Process {
        let port = ("WORKER_PORT", self.worker_ports[number].to_string());
        self.process("order-aggregator-worker", number, &[port])
    }

    /// Starts an additional process of a program with these variables added to the default environment. Does not wait until
    /// the process is ready.
    #[must_use]
    pub fn start_another(&self, program: &str, variables: &[(&'static str, String)]) -> Process {
        let port = free_port().to_string();
        let mut environment = vec![("PORT", port.clone()), ("WORKER_PORT", port)];
        environment.extend_from_slice(variables);
        let number = usize::try_from(fastrand::u32(1000..)).unwrap();
        self.process(program, number, &environment)
    }

    fn process(
        &self,
        binary: &str,
        number: usize,
        variables: &[(&'static str, String)],
    ) -> Process {
        let mut environment = self.environment();
        environment.extend_from_slice(variables);
        let name = format!("{binary}-{number}");
        Process::start(
            binary,
            &name,
            self.dir.path(),
            &self.config_file,
            &[],
            &environment,
        )
    }
}

/// Returns the environment variables that select this database.
#[must_use]
pub fn database_environment(database: &TestDatabase) -> Vec<(&'static str, String)> {
    let options = database.options();
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

/// Returns a port that was free when it was checked.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
