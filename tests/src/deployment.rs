//! Starts and stops a deployment of API processes, workers and vendors.

use std::net::TcpListener;

use mock_vendor::MockVendor;
use storage_postgres::PgOptions;
use storage_postgres::test_database::{TestDatabase, TestSession};
use tempfile::TempDir;

use crate::admin;
use crate::consumer::Consumer;
use crate::process::{Process, SETTINGS};
use crate::proxy::Proxy;
use crate::vendors::{self, Stocks};
use crate::vhost::{Vhost, broker_address};
use crate::waiting::eventually;

const API: &str = "order-aggregator-api";
const WORKER: &str = "order-aggregator-worker";

/// Configuration of a deployment.
pub struct DeploymentBuilder {
    apis: usize,
    workers: usize,
    vendors: Stocks,
    sync_interval: &'static str,
    settings: String,
    as_of: bool,
    server: Option<PgOptions>,
    database_port: Option<u16>,
    api_port: Option<u16>,
    variables: Vec<(&'static str, String)>,
}

impl Default for DeploymentBuilder {
    fn default() -> Self {
        Self {
            apis: 1,
            workers: 1,
            vendors: Vec::new(),
            sync_interval: "1s",
            settings: String::new(),
            as_of: false,
            server: None,
            database_port: None,
            api_port: None,
            variables: Vec::new(),
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
    pub fn sync_interval(mut self, interval: &'static str) -> Self {
        self.sync_interval = interval;
        self
    }

    /// Adds an as-of to the vendors' reports.
    #[must_use]
    pub fn with_as_of(mut self) -> Self {
        self.as_of = true;
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

    /// Sets the port of the first API process.
    #[must_use]
    pub fn api_port(mut self, port: u16) -> Self {
        self.api_port = Some(port);
        self
    }

    /// Sets an environment variable of all processes.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
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
            self.as_of,
            &self.settings,
        );
        std::fs::write(dir.path().join(SETTINGS), config).unwrap();

        let mut deployment = Deployment {
            apis: Vec::new(),
            workers: Vec::new(),
            database,
            vhost,
            broker,
            vendors,
            dir,
            database_port: self.database_port,
            variables: self.variables,
        };
        for number in 0..self.apis {
            let port = self.api_port.filter(|_| number == 0);
            let port = port.unwrap_or_else(free_port);
            let process = deployment.process(API, number, port, &[]);
            deployment.apis.push(process);
        }
        for number in 0..self.workers {
            let process = deployment.process(WORKER, number, free_port(), &[]);
            deployment.workers.push(process);
        }
        for process in deployment.apis.iter().chain(&deployment.workers) {
            process.ready().await;
        }
        if self.workers > 0 {
            deployment.wait_for_syncs(1).await;
        }
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
    dir: TempDir,
    database_port: Option<u16>,
    variables: Vec<(&'static str, String)>,
}

impl Deployment {
    /// Returns a builder with one API process, one worker and no vendor.
    #[must_use]
    pub fn builder() -> DeploymentBuilder {
        DeploymentBuilder::default()
    }

    /// Starts one API process, one worker and the vendor `vendor-a` with this stock.
    pub async fn start(stock: &[(&str, i64)]) -> Self {
        Self::builder().vendor("vendor-a", stock).start().await
    }

    /// Runs SQL in the database, to change what the programs cannot.
    pub async fn execute(&self, sql: &str) {
        self.database.execute(sql).await.unwrap();
    }

    /// Opens an administrator's session and runs SQL in it. Its transaction ends when the session is dropped.
    pub async fn session(&self, sql: &str) -> TestSession {
        let mut session = self.database.session().await.unwrap();
        session.execute(sql).await.unwrap();
        session
    }

    /// Returns a client of an API process.
    #[must_use]
    pub fn client(&self, api: usize) -> Consumer {
        self.apis[api].client()
    }

    /// Returns a client of an API process that sends an API key.
    #[must_use]
    pub fn client_with_key(&self, api: usize, key: &str) -> Consumer {
        Consumer::new(self.apis[api].port(), Some(key))
    }

    /// Returns a client of a worker's health endpoints.
    #[must_use]
    pub fn worker_client(&self, worker: usize) -> Consumer {
        self.workers[worker].client()
    }

    /// Edits the settings file (TOML) for processes started later.
    pub fn edit_settings(&self, edit: impl FnOnce(String) -> String) {
        let path = self.dir.path().join(SETTINGS);
        let settings = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, edit(settings)).unwrap();
    }

    /// Restarts a killed API process on its port.
    pub async fn restart_api(&mut self, number: usize) {
        let port = self.apis[number].port();
        self.apis[number] = self.process(API, number, port, &[]);
        self.apis[number].ready().await;
    }

    /// Restarts a killed worker.
    pub async fn restart_worker(&mut self, number: usize) {
        let port = self.workers[number].port();
        self.workers[number] = self.process(WORKER, number, port, &[]);
        self.workers[number].ready().await;
    }

    /// Starts an additional worker.
    pub async fn add_worker(&mut self) {
        let process = self.process(WORKER, self.workers.len(), free_port(), &[]);
        process.ready().await;
        self.workers.push(process);
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
            let mut vendors = self.vendors.iter().zip(&before);
            vendors
                .all(|(vendor, before)| vendor.requests() > before + times)
                .then_some(())
        })
        .await;
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
        let depth = self.vhost.eval(&format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(VHost, queue, <<\"{queue}\">>)), \
             [{{messages, N}}] = rabbit_amqqueue:info(Q, [messages]), N."
        ));
        depth.parse().expect("a queue's depth is a number")
    }

    /// Returns the number of queues on which each worker has the active consumer, in ascending order, such as `{4,4}`.
    #[must_use]
    pub fn active_queues(&self) -> String {
        self.vhost.active_queues()
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
        environment.extend(self.variables.iter().cloned());
        environment
    }

    /// Starts an additional process of a program with these variables added to the default environment. Does not wait until
    /// the process is ready.
    #[must_use]
    pub fn start_another(&self, program: &str, variables: &[(&'static str, &str)]) -> Process {
        let number = usize::try_from(fastrand::u32(1000..)).unwrap();
        self.process(program, number, free_port(), variables)
    }

    fn process(
        &self,
        program: &str,
        number: usize,
        port: u16,
        variables: &[(&'static str, &str)],
    ) -> Process {
        let name = format!("{program}-{number}");
        let mut environment = self.environment();
        environment.extend(["PORT", "WORKER_PORT"].map(|name| (name, port.to_string())));
        environment.extend(
            variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        Process::start(program, &name, self.dir.path(), port, &[], &environment)
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
    free_ports(1)[0]
}

/// Returns different ports that were free when they were checked.
#[must_use]
pub fn free_ports(number: usize) -> Vec<u16> {
    // All listeners are open at once, so that no port is found twice.
    let listeners = (0..number).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let listeners: Vec<TcpListener> = listeners.collect();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    listeners.iter().map(port).collect()
}
