//! What the fuzzer runs against: the service, fresh, with vendors that have stock and with an API key.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use api_keys::{KeyHash, Role};
use domain::ports::AuditQueries;
use mock_vendor::MockVendor;
use queue_rabbitmq::test_vhost::TestVhost;
use settings::Settings;
use storage_postgres::PgStore;
use storage_postgres::test_database::TestDatabase;
use tempfile::TempDir;

use crate::bench::system::{at_vhost, free_address, stop, wait_until_ready};
use crate::children::Children;
use crate::connection::{self, Broker};
use crate::programs::Programs;
use crate::{audit, data_file, endpoints, services};

/// Products that the document's examples name, and short ones that the generator comes upon.
const STOCK: [(&str, i64); 4] = [("SKU-1", 1_000), ("SKU-2", 10), ("0", 5), ("1", 5)];

/// Where orders are kept.
enum Place {
    File(PathBuf),
    Servers(
        Box<TestDatabase>,
        #[expect(dead_code, reason = "removed when it is dropped")] TestVhost,
    ),
}

/// The running service.
pub(super) struct Target {
    // Processes go first when this is dropped, then what they use.
    children: Children,
    api: SocketAddr,
    key: String,
    place: Place,
    _vendors: Vec<MockVendor>,
    _folder: TempDir,
}

impl Target {
    /// The embedded program.
    pub(super) async fn embedded(programs: &Programs) -> Result<Self> {
        let Prepared {
            folder,
            key,
            vendors,
            mut arguments,
        } = Prepared::new()?;
        let file = folder.path().join("orders.db");
        let api = free_address()?;
        arguments.extend(["--data".into(), file.clone().into()]);
        arguments.extend(["--port".into(), api.port().to_string().into()]);
        let mut children = Children::new();
        children.start("standalone", programs.path("standalone")?, &arguments, &[])?;
        wait_until_ready(&mut children, api).await?;
        Ok(Self {
            children,
            api,
            key,
            place: Place::File(file),
            _vendors: vendors,
            _folder: folder,
        })
    }

    /// API and worker on servers.
    pub(super) async fn on_servers(programs: &Programs, settings: &Settings) -> Result<Self> {
        let node = services::own_node_name(settings)?;
        let user = Broker::of(&settings.rabbitmq)?.user;
        let vhost = TestVhost::create_on(node, &user).context("cannot create a virtual host")?;
        let database = TestDatabase::create_on(connection::pg_options(&settings.database)).await?;
        let Prepared {
            folder,
            key,
            vendors,
            arguments,
        } = Prepared::new()?;
        let (api, worker) = (free_address()?, free_address()?);
        let mut environment = connection::environment(settings);
        // The last one of a name counts.
        environment.extend([
            ("DB_NAME", database.options().database.clone()),
            (
                "RABBITMQ_URL",
                at_vhost(settings.rabbitmq.url.reveal(), vhost.name()),
            ),
            ("PORT", api.port().to_string()),
            ("WORKER_PORT", worker.port().to_string()),
        ]);
        let mut children = Children::new();
        for name in ["api", "worker"] {
            children.start(name, programs.path(name)?, &arguments, &environment)?;
        }
        for server in [api, worker] {
            wait_until_ready(&mut children, server).await?;
        }
        Ok(Self {
            children,
            api,
            key,
            place: Place::Servers(Box::new(database), vhost),
            _vendors: vendors,
            _folder: folder,
        })
    }

    /// Where it is reached.
    pub(super) fn url(&self) -> String {
        endpoints::http_url(self.api)
    }

    /// A key with every role.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Recomputes every balance; fails if a row contradicts the others.
    pub(super) async fn audit(&self, settings: &Settings) -> Result<()> {
        let findings = match &self.place {
            Place::File(file) => {
                data_file::open_read_only(file, &settings.embedded)?
                    .audit()
                    .await?
            }
            Place::Servers(database, _) => PgStore::new(database.options())?.audit().await?,
        };
        audit::refuse_findings(&findings)
    }

    /// Ends it in good order; what it used is removed.
    pub(super) async fn stop(self) -> Result<()> {
        stop(self.children).await
    }
}

/// What every target has.
struct Prepared {
    folder: TempDir,
    key: String,
    vendors: Vec<MockVendor>,
    arguments: Vec<OsString>,
}

impl Prepared {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut random = [0; 32];
        getrandom::fill(&mut random).context("the system has no random numbers")?;
        let key = api_keys::key_text(&random);
        let vendors = [
            MockVendor::start_local(STOCK)?,
            MockVendor::start_local(STOCK)?,
        ];
        let mut config = format!(
            "[telemetry]\nfilter = \"warn\"\n[[api_keys]]\nname = \"fuzz\"\nroles = [\"{}\"]\nhash = \"{}\"\n",
            Role::Operator,
            KeyHash::of(key.as_bytes()),
        );
        for (id, vendor) in ["vendor-a", "vendor-b"].iter().zip(&vendors) {
            // Writing to a String cannot fail.
            let _ = write!(
                config,
                "[[vendors]]\nid = \"{id}\"\nurl = \"{}\"\nevery = \"5s\"\n",
                vendor.url()
            );
        }
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, config)?;
        Ok(Self {
            folder,
            key,
            vendors: vendors.into(),
            arguments: vec!["--config".into(), file.into()],
        })
    }
}
