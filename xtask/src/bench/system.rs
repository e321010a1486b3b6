//! The service itself, fresh: its processes, on a database and a virtual host of its own or on a data file of its own.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clock_tokio::SystemClock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{AuditQueries, Store, StoreProbe};
use domain::services::VendorSync;
use queue_rabbitmq::test_vhost::TestVhost;
use settings::Settings;
use storage_postgres::test_database::TestDatabase;
use storage_postgres::{PgOptions, PgStore};
use tempfile::TempDir;

use super::choices::PRODUCTS;
use super::database::Database;
use crate::catalogue::CatalogueFeed;
use crate::children::Children;
use crate::connection::{self, Broker};
use crate::programs::Programs;
use crate::{audit, data_file, endpoints, services};

/// Whose stock it is.
pub(super) const VENDOR: &str = "bench";
/// More than any run sells.
const UNITS: i64 = 2_000_000_000;
const READY_WITHIN: Duration = Duration::from_mins(1);
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// What differs from the default settings.
const SETTINGS: &str =
    "manual_vendors = [\"bench\"]\nvendors = []\n[telemetry]\nfilter = \"warn\"\n";

/// A database and a virtual host, removed with this value.
pub(super) struct Servers {
    database: TestDatabase,
    vhost: TestVhost,
    broker_url: String,
    settings: Settings,
}

impl Servers {
    /// Creates them, with stock, and with the tables of the schema bench.
    pub(super) async fn create(settings: &Settings) -> Result<Self> {
        let node = services::own_node_name(settings)?;
        let user = Broker::of(&settings.rabbitmq)?.user;
        let vhost = TestVhost::create_on(node, &user).context("cannot create a virtual host")?;
        let database = TestDatabase::create_on(connection::pg_options(&settings.database)).await?;
        let store = Arc::new(PgStore::new(database.options())?);
        enter_stock(store.clone(), store).await?;
        let servers = Self {
            broker_url: at_vhost(settings.rabbitmq.url.reveal(), vhost.name()),
            database,
            vhost,
            settings: settings.clone(),
        };
        let look = servers.look().await?;
        look.check_durable().await?;
        look.execute(include_str!("../../bench/tables.sql")).await?;
        Ok(servers)
    }

    /// A connection of our own to the database.
    pub(super) async fn look(&self) -> Result<Database> {
        Database::connect(self.database.options()).await
    }

    /// How the database is reached.
    pub(super) fn options(&self) -> &PgOptions {
        self.database.options()
    }

    /// Makes our own programs use these servers.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let name = &self.database.options().database;
        connection::environment(&self.settings)
            .into_iter()
            .map(|(variable, value)| match variable {
                "DB_NAME" => (variable, name.clone()),
                "RABBITMQ_URL" => (variable, self.broker_url.clone()),
                _ => (variable, value),
            })
            .collect()
    }

    /// Makes PostgreSQL's programs use this database.
    pub(super) fn libpq_environment(&self) -> Vec<(&'static str, String)> {
        let options = self.database.options();
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

    /// Which broker it is.
    pub(super) fn broker_version(&self) -> Result<String> {
        let ask = "io:format(\"~s on OTP ~s\", [rabbit_misc:version(), erlang:system_info(otp_release)]).";
        let printed = self.vhost.eval(ask)?;
        Ok(printed
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches("ok")
            .to_owned())
    }

    /// Refuses to go on if orders wait in anything but quorum queues.
    fn check_quorum(&self) -> Result<()> {
        let ask = "[io:format(\"queue ~s~n\", [amqqueue:get_type(Q)]) || Q <- rabbit_amqqueue:list(VHost)].";
        let printed = self.vhost.eval(ask)?;
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
            bail!("a queue is {other}, not a quorum queue: what is not durable is not measured")
        }
    }
}

/// The same broker, another virtual host.
pub(crate) fn at_vhost(url: &str, vhost: &str) -> String {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..]
        .find('/')
        .map_or(url.len(), |at| after_scheme + at);
    format!("{}/{vhost}", &url[..end])
}

async fn enter_stock(store: Arc<dyn Store>, probe: Arc<dyn StoreProbe>) -> Result<()> {
    let vendor = VendorId::parse(VENDOR)?;
    let sync = VendorSync::new(store, probe, Arc::new(SystemClock));
    sync.configure(std::slice::from_ref(&vendor)).await?;
    let lines = (1..=PRODUCTS)
        .map(|number| Ok((ProductId::parse(format!("SKU-{number}"))?, UNITS)))
        .collect::<Result<Vec<_>>>()?;
    sync.sync(&CatalogueFeed::new(vendor, lines)?).await?;
    Ok(())
}

/// A folder for data, removed with the value. The usual place for such may be in memory, where being durable costs nothing.
pub(super) fn folder_on_disk() -> Result<TempDir> {
    let parent = Path::new("target/bench");
    std::fs::create_dir_all(parent)?;
    Ok(tempfile::tempdir_in(std::path::absolute(parent)?)?)
}

/// Creates a data file with stock in it.
pub(super) async fn create_data_file(file: &Path, settings: &Settings) -> Result<()> {
    let store = Arc::new(data_file::open(file, &settings.embedded)?);
    enter_stock(store.clone(), store).await
}

/// Where orders are kept.
pub(super) enum Place {
    Servers(Box<Servers>),
    File(PathBuf),
}

/// The running service.
pub(super) struct System {
    // Processes go first when this is dropped, then what they use.
    children: Children,
    /// Its processes.
    pub(super) processes: Vec<(&'static str, i32)>,
    pub(super) api: SocketAddr,
    pub(super) place: Place,
    _folder: TempDir,
}

impl System {
    /// Starts API and worker on servers, and waits until both are ready. `more` is more settings.
    pub(super) async fn start(programs: &Programs, servers: Servers, more: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let arguments = config_arguments(folder.path(), more)?;
        let (api, worker) = (free_address()?, free_address()?);
        let mut environment = servers.environment();
        environment.push(("PORT", api.port().to_string()));
        environment.push(("WORKER_PORT", worker.port().to_string()));
        let mut system = Self {
            children: Children::new(),
            processes: Vec::new(),
            api,
            place: Place::Servers(Box::new(servers)),
            _folder: folder,
        };
        for name in ["api", "worker"] {
            system.launch(programs, name, &arguments, &environment)?;
        }
        for server in [api, worker] {
            system.wait_until_ready(server).await?;
        }
        if let Place::Servers(servers) = &system.place {
            servers.check_quorum()?;
        }
        Ok(system)
    }

    /// Starts the embedded program on a fresh data file.
    pub(super) async fn start_embedded(programs: &Programs, settings: &Settings) -> Result<Self> {
        let folder = folder_on_disk()?;
        let file = folder.path().join("orders.db");
        create_data_file(&file, settings).await?;
        let mut arguments = config_arguments(folder.path(), "")?;
        let api = free_address()?;
        arguments.extend([
            "--no-mock-vendors".into(),
            "--data".into(),
            file.clone().into(),
        ]);
        arguments.extend(["--port".into(), api.port().to_string().into()]);
        let mut system = Self {
            children: Children::new(),
            processes: Vec::new(),
            api,
            place: Place::File(file),
            _folder: folder,
        };
        system.launch(programs, "standalone", &arguments, &[])?;
        system.wait_until_ready(api).await?;
        Ok(system)
    }

    fn launch(
        &mut self,
        programs: &Programs,
        name: &'static str,
        arguments: &[OsString],
        environment: &[(&'static str, String)],
    ) -> Result<()> {
        let pid = self
            .children
            .start(name, programs.path(name)?, arguments, environment)?;
        self.processes.push((name, pid));
        Ok(())
    }

    async fn wait_until_ready(&mut self, server: SocketAddr) -> Result<()> {
        wait_until_ready(&mut self.children, server).await
    }

    /// Recomputes every balance; fails if a row contradicts the others.
    pub(super) async fn audit(&self, settings: &Settings) -> Result<()> {
        let findings = match &self.place {
            Place::Servers(servers) => PgStore::new(servers.options())?.audit().await?,
            Place::File(file) => {
                data_file::open_read_only(file, &settings.embedded)?
                    .audit()
                    .await?
            }
        };
        audit::refuse_findings(&findings)
    }

    /// Ends it in good order; what it used is removed.
    pub(super) async fn stop(self) -> Result<()> {
        stop(self.children).await
    }
}

/// Ends programs; fails if one does not end as it should.
pub(crate) async fn stop(mut children: Children) -> Result<()> {
    let well = children.stop(STOP_WITHIN, std::future::pending()).await;
    ensure!(well, "not every program ended in good order");
    Ok(())
}

/// Waits until a server among the programs is ready; fails if a program ends.
pub(crate) async fn wait_until_ready(children: &mut Children, server: SocketAddr) -> Result<()> {
    let url = endpoints::http_url(server);
    tokio::select! {
        ended = children.next_end() => bail!("{} ended with {}: see what it says above", ended.name, ended.status),
        ready = tokio::time::timeout(READY_WITHIN, endpoints::wait_until_ready(&url)) =>
            ready.with_context(|| format!("not ready after {} s", READY_WITHIN.as_secs()))?,
    }
}

/// What makes a program take the settings of a measurement, with `more` of them.
pub(super) fn config_arguments(folder: &Path, more: &str) -> Result<Vec<OsString>> {
    let file = folder.join("settings.toml");
    std::fs::write(&file, format!("{SETTINGS}{more}"))?;
    Ok(vec!["--config".into(), file.into()])
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_virtual_host_of_a_url_changes() {
        for (url, expected) in [
            ("amqp://u:p%2F@h:1", "amqp://u:p%2F@h:1/v"),
            ("amqp://u:p@h/", "amqp://u:p@h/v"),
            ("amqp://h/other", "amqp://h/v"),
        ] {
            assert_eq!(at_vhost(url, "v"), expected);
        }
    }

    #[test]
    fn any_queue_that_is_no_quorum_queue_is_refused() {
        assert!(
            check_quorum("queue rabbit_quorum_queue\nqueue rabbit_quorum_queue\n[ok,ok]\n").is_ok()
        );
        assert!(check_quorum("queue rabbit_quorum_queue\nqueue rabbit_classic_queue\n").is_err());
        assert!(check_quorum("[]\n").is_err());
    }
}
