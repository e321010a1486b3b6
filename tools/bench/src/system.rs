//! The measured service: its processes on a fresh database and virtual host, or on a fresh data file.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use client::Client;
use clock_tokio::SystemClock;
use dev_env::children::Children;
use dev_env::fresh_servers::FreshServers;
use dev_env::programs::{API, STANDALONE, WORKER};
use dev_env::{audit, endpoints};
use settings::Settings;
use storage_postgres::{PgOptions, PgStore};
use storage_sqlite::SqliteStore;
use tempfile::TempDir;

use super::against::{Build, Builds};
use super::database::Database;
use super::schema::{self, DataFile};
use super::stock;

/// Changes to the default settings.
const SETTINGS: &str =
    "manual_vendors = [\"bench\"]\nvendors = []\n[telemetry]\nfilter = \"warn\"\n";

/// A database with stock, and a virtual host.
pub(super) struct Servers(FreshServers);

impl Servers {
    /// Creates the database with stock and the tables of the schema `bench`, and the virtual host. `migrations` are those of
    /// another build.
    pub(super) async fn create(settings: &Settings, migrations: Option<&Path>) -> Result<Self> {
        let servers = Self(FreshServers::create(settings).await?);
        let database = servers.database().await?;
        match migrations {
            Some(migrations) => schema::recreate(&database, migrations).await?,
            None => stock::enter(Arc::new(PgStore::new(servers.options())?)).await?,
        }
        database.check_durable().await?;
        database
            .execute(include_str!("../scripts/tables.sql"))
            .await?;
        Ok(servers)
    }

    /// Opens a separate connection to the database.
    pub(super) async fn database(&self) -> Result<Database> {
        Database::connect(self.options()).await
    }

    /// Returns the connection options of the database.
    pub(super) fn options(&self) -> &PgOptions {
        self.0.options()
    }

    /// Returns the environment variables with which this project's programs use these servers.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        self.0.environment()
    }

    /// Returns the environment variables with which PostgreSQL's programs use this database.
    pub(super) fn libpq_environment(&self) -> Vec<(&'static str, String)> {
        let options = self.options();
        let mut variables = vec![
            ("PGHOST", options.host.clone()),
            ("PGPORT", options.port.to_string()),
            ("PGUSER", options.user.clone()),
            ("PGDATABASE", options.database.clone()),
        ];
        if let Some(password) = &options.password {
            variables.push(("PGPASSWORD", password.clone()));
        }
        variables
    }

    /// Returns the version of the broker.
    pub(super) fn broker_version(&self) -> Result<String> {
        let expression = "io:format(\"~s on OTP ~s\", [rabbit_misc:version(), erlang:system_info(otp_release)]).";
        let printed = self.0.vhost().eval(expression)?;
        Ok(printed
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches("ok")
            .to_owned())
    }

    /// Fails unless all queues are quorum queues.
    fn check_quorum(&self) -> Result<()> {
        let expression = "[io:format(\"queue ~s~n\", [amqqueue:get_type(Q)]) || Q <- rabbit_amqqueue:list(VHost)].";
        let printed = self.0.vhost().eval(expression)?;
        check_quorum(&printed)
    }
}

fn check_quorum(printed: &str) -> Result<()> {
    let types: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("queue "))
        .collect();
    ensure!(!types.is_empty(), "the service declared no queue");
    match types.iter().find(|kind| **kind != "rabbit_quorum_queue") {
        None => Ok(()),
        Some(other) => {
            bail!("a queue is {other}, but the benchmark requires quorum queues")
        }
    }
}

/// Creates a temporary directory below `target`. The system's temporary directory may be in memory, where durability has no
/// cost.
pub(super) fn temp_dir_on_disk() -> Result<TempDir> {
    let parent = Path::new("target/bench");
    std::fs::create_dir_all(parent)?;
    Ok(tempfile::tempdir_in(std::path::absolute(parent)?)?)
}

/// Creates a data file with stock.
pub(super) async fn create_data_file(file: &Path, settings: &Settings) -> Result<()> {
    let options = wiring::sqlite(&settings.embedded, file.to_owned());
    let store = Arc::new(SqliteStore::open(&options, Arc::new(SystemClock))?);
    stock::enter(store).await
}

/// Storage of the service.
pub(super) enum Storage {
    Servers(Box<Servers>),
    File(PathBuf),
}

/// A program of the service.
#[derive(Debug, Clone, Copy)]
struct Launch {
    name: &'static str,
    program: &'static str,
    /// Environment variable of its port.
    port: &'static str,
    address: SocketAddr,
}

impl Launch {
    fn api(name: &'static str, address: SocketAddr) -> Self {
        Self {
            name,
            program: API,
            port: "PORT",
            address,
        }
    }
}

/// The running service.
pub(super) struct System {
    // Field order is drop order: the processes are dropped before the servers that they use.
    children: Children,
    pub(super) build: Build,
    /// Programs in the order of their start.
    launches: Vec<Launch>,
    /// Names and process ids.
    pub(super) processes: Vec<(&'static str, i32)>,
    pub(super) api: SocketAddr,
    /// Address of the second API process.
    pub(super) second_api: Option<SocketAddr>,
    pub(super) storage: Storage,
    /// Arguments of each program.
    arguments: Vec<OsString>,
    _dir: TempDir,
}

impl System {
    /// Starts API and worker of a build on servers, and waits until both are ready. `more` is additional settings (TOML).
    pub(super) async fn start(
        builds: &Builds,
        build: Build,
        servers: Servers,
        more: &str,
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let arguments = config_arguments(dir.path(), &builds.settings(build, more))?;
        let (api, worker) = (endpoints::free_address()?, endpoints::free_address()?);
        let storage = Storage::Servers(Box::new(servers));
        let mut system = Self::new(build, api, storage, arguments, dir);
        system.launch(builds, Launch::api("api", api))?;
        system.launch(
            builds,
            Launch {
                name: "worker",
                program: WORKER,
                port: "WORKER_PORT",
                address: worker,
            },
        )?;
        system.wait_until_ready().await?;
        if let Storage::Servers(servers) = &system.storage {
            servers.check_quorum()?;
        }
        Ok(system)
    }

    /// Starts a second API on the same servers, and waits until it is ready.
    pub(super) async fn start_second_api(&mut self, builds: &Builds) -> Result<()> {
        let api = endpoints::free_address()?;
        self.launch(builds, Launch::api("second api", api))?;
        self.children.wait_until_ready(api).await?;
        self.second_api = Some(api);
        Ok(())
    }

    /// Starts the standalone program of a build on a fresh data file. Another build creates the file itself, because a program
    /// refuses a file with later migrations.
    pub(super) async fn start_embedded(
        builds: &Builds,
        build: Build,
        settings: &Settings,
    ) -> Result<Self> {
        let dir = temp_dir_on_disk()?;
        let file = dir.path().join("orders.db");
        let mut arguments = config_arguments(dir.path(), "")?;
        arguments.extend([
            "--no-mock-vendors".into(),
            "--data".into(),
            file.clone().into(),
        ]);
        if build == Build::This {
            create_data_file(&file, settings).await?;
        }
        let api = endpoints::free_address()?;
        let storage = Storage::File(file.clone());
        let mut system = Self::new(build, api, storage, arguments, dir);
        let launch = Launch {
            program: STANDALONE,
            ..Launch::api("standalone", api)
        };
        system.launch(builds, launch)?;
        system.wait_until_ready().await?;
        if build == Build::Other {
            system.kill().await;
            DataFile::open(&file)?.enter_stock()?;
            system.start_again(builds).await?;
        }
        Ok(system)
    }

    fn new(
        build: Build,
        api: SocketAddr,
        storage: Storage,
        arguments: Vec<OsString>,
        dir: TempDir,
    ) -> Self {
        Self {
            children: Children::default(),
            build,
            launches: Vec::new(),
            processes: Vec::new(),
            api,
            second_api: None,
            storage,
            arguments,
            _dir: dir,
        }
    }

    fn launch(&mut self, builds: &Builds, launch: Launch) -> Result<()> {
        let mut environment = match &self.storage {
            Storage::Servers(servers) => servers.environment(),
            Storage::File(_) => Vec::new(),
        };
        environment.push((launch.port, launch.address.port().to_string()));
        let program = builds.programs(self.build).path(launch.program)?;
        let pid = self
            .children
            .start(launch.name, program, &self.arguments, &environment)?;
        self.processes.push((launch.name, pid));
        self.launches.push(launch);
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        for launch in &self.launches {
            self.children.wait_until_ready(launch.address).await?;
        }
        Ok(())
    }

    /// Kills the processes, as a crash would.
    pub(super) async fn kill(&mut self) {
        self.children.kill_all().await;
        self.processes.clear();
    }

    /// Starts the killed programs again at their addresses, and waits until they are ready.
    pub(super) async fn start_again(&mut self, builds: &Builds) -> Result<()> {
        for launch in std::mem::take(&mut self.launches) {
            self.launch(builds, launch)?;
        }
        self.wait_until_ready().await
    }

    /// Returns a client of the API.
    pub(super) fn client(&self) -> Result<Client> {
        Ok(Client::new(&endpoints::http_url(self.api))?)
    }

    /// Runs the audit and fails on a finding.
    pub(super) async fn audit(&self, settings: &Settings) -> Result<()> {
        match &self.storage {
            Storage::Servers(servers) => audit::database(servers.options()).await,
            Storage::File(file) => audit::data_file(file, &settings.embedded).await,
        }
    }

    /// Stops the processes gracefully and removes their data.
    pub(super) async fn stop(self) -> Result<()> {
        self.children.stop_all().await
    }
}

/// Writes the settings of a measurement with `more` settings. Returns the arguments that select them.
pub(super) fn config_arguments(dir: &Path, more: &str) -> Result<Vec<OsString>> {
    let file = dir.join("settings.toml");
    std::fs::write(&file, format!("{SETTINGS}{more}"))?;
    Ok(vec!["--config".into(), file.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_other_than_quorum_queues_are_refused() {
        assert!(
            check_quorum("queue rabbit_quorum_queue\nqueue rabbit_quorum_queue\n[ok,ok]\n").is_ok()
        );
        assert!(check_quorum("queue rabbit_quorum_queue\nqueue rabbit_classic_queue\n").is_err());
        assert!(check_quorum("[]\n").is_err());
    }
}
