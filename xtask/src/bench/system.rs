//! The service itself, fresh: its processes, on a database and a virtual host of its own or on a data file of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use clock_tokio::SystemClock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{AuditQueries, Store, StoreProbe, SyncQueries, VendorSetQueries};
use domain::services::{VendorSets, VendorSync};
use domain::vendor_set::ConfiguredVendor;
use settings::Settings;
use storage_postgres::{PgOptions, PgStore};
use tempfile::TempDir;

use super::choices::PRODUCTS;
use super::database::Database;
use crate::catalogue::CatalogueFeed;
use crate::children::Children;
use crate::fresh_servers::FreshServers;
use crate::programs::Programs;
use crate::{audit, data_file, endpoints};

/// Whose stock it is.
pub(super) const VENDOR: &str = "bench";
/// More than any run sells.
const UNITS: i64 = 2_000_000_000;

/// What differs from the default settings.
const SETTINGS: &str =
    "manual_vendors = [\"bench\"]\nvendors = []\n[telemetry]\nfilter = \"warn\"\n";

/// A database with stock in it, and a virtual host.
pub(super) struct Servers(FreshServers);

impl Servers {
    /// Creates them, with stock, and with the tables of the schema bench.
    pub(super) async fn create(settings: &Settings) -> Result<Self> {
        let servers = Self(FreshServers::create(settings).await?);
        let store = Arc::new(PgStore::new(servers.options())?);
        enter_stock(store.clone(), store.clone(), store.clone(), store).await?;
        let look = servers.look().await?;
        look.check_durable().await?;
        look.execute(include_str!("../../bench/tables.sql")).await?;
        Ok(servers)
    }

    /// A connection of our own to the database.
    pub(super) async fn look(&self) -> Result<Database> {
        Database::connect(self.options()).await
    }

    /// How the database is reached.
    pub(super) fn options(&self) -> &PgOptions {
        self.0.options()
    }

    /// Makes our own programs use these servers.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        self.0.environment()
    }

    /// Makes PostgreSQL's programs use this database.
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

    /// Which broker it is.
    pub(super) fn broker_version(&self) -> Result<String> {
        let ask = "io:format(\"~s on OTP ~s\", [rabbit_misc:version(), erlang:system_info(otp_release)]).";
        let printed = self.0.vhost().eval(ask)?;
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
        let printed = self.0.vhost().eval(ask)?;
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

async fn enter_stock(
    store: Arc<dyn Store>,
    sync_queries: Arc<dyn SyncQueries>,
    probe: Arc<dyn StoreProbe>,
    queries: Arc<dyn VendorSetQueries>,
) -> Result<()> {
    let vendor = VendorId::parse(VENDOR)?;
    let clock = Arc::new(SystemClock);
    let added = ConfiguredVendor {
        vendor_id: vendor.clone(),
        source: None,
    };
    VendorSets::new(store.clone(), queries, clock.clone())
        .add(&[added])
        .await?;
    let sync = VendorSync::new(store, sync_queries, probe, clock);
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
    enter_stock(store.clone(), store.clone(), store.clone(), store).await
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
    /// Another process of the API.
    pub(super) second_api: Option<SocketAddr>,
    pub(super) place: Place,
    /// Of each of its programs.
    arguments: Vec<OsString>,
    _folder: TempDir,
}

impl System {
    /// Starts API and worker on servers, and waits until both are ready. `more` is more settings.
    pub(super) async fn start(programs: &Programs, servers: Servers, more: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let arguments = config_arguments(folder.path(), more)?;
        let (api, worker) = (endpoints::free_address()?, endpoints::free_address()?);
        let mut system = Self {
            children: Children::new(),
            processes: Vec::new(),
            api,
            second_api: None,
            place: Place::Servers(Box::new(servers)),
            arguments,
            _folder: folder,
        };
        system.launch(programs, "api", "api", ("PORT", api))?;
        system.launch(programs, "worker", "worker", ("WORKER_PORT", worker))?;
        for server in [api, worker] {
            system.children.until_ready(server).await?;
        }
        if let Place::Servers(servers) = &system.place {
            servers.check_quorum()?;
        }
        Ok(system)
    }

    /// Starts a second API on the same servers, and waits until it is ready.
    pub(super) async fn start_second_api(&mut self, programs: &Programs) -> Result<()> {
        let api = endpoints::free_address()?;
        self.launch(programs, "second api", "api", ("PORT", api))?;
        self.children.until_ready(api).await?;
        self.second_api = Some(api);
        Ok(())
    }

    /// Starts the embedded program on a fresh data file.
    pub(super) async fn start_embedded(programs: &Programs, settings: &Settings) -> Result<Self> {
        let folder = folder_on_disk()?;
        let file = folder.path().join("orders.db");
        create_data_file(&file, settings).await?;
        let mut arguments = config_arguments(folder.path(), "")?;
        let api = endpoints::free_address()?;
        arguments.extend([
            "--no-mock-vendors".into(),
            "--data".into(),
            file.clone().into(),
        ]);
        let mut system = Self {
            children: Children::new(),
            processes: Vec::new(),
            api,
            second_api: None,
            place: Place::File(file),
            arguments,
            _folder: folder,
        };
        system.launch(programs, "standalone", "standalone", ("PORT", api))?;
        system.children.until_ready(api).await?;
        Ok(system)
    }

    fn launch(
        &mut self,
        programs: &Programs,
        name: &'static str,
        program: &str,
        (port, listening): (&'static str, SocketAddr),
    ) -> Result<()> {
        let mut environment = match &self.place {
            Place::Servers(servers) => servers.environment(),
            Place::File(_) => Vec::new(),
        };
        environment.push((port, listening.port().to_string()));
        let program = programs.path(program)?;
        let pid = self
            .children
            .start(name, program, &self.arguments, &environment)?;
        self.processes.push((name, pid));
        Ok(())
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
        self.children.end().await
    }
}

/// What makes a program take the settings of a measurement, with `more` of them.
pub(super) fn config_arguments(folder: &Path, more: &str) -> Result<Vec<OsString>> {
    let file = folder.join("settings.toml");
    std::fs::write(&file, format!("{SETTINGS}{more}"))?;
    Ok(vec!["--config".into(), file.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_queue_that_is_no_quorum_queue_is_refused() {
        assert!(
            check_quorum("queue rabbit_quorum_queue\nqueue rabbit_quorum_queue\n[ok,ok]\n").is_ok()
        );
        assert!(check_quorum("queue rabbit_quorum_queue\nqueue rabbit_classic_queue\n").is_err());
        assert!(check_quorum("[]\n").is_err());
    }
}
