//! What the fuzzer runs against: the service, fresh, with vendors that have stock and with an API key.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use api_keys::{KeyHash, Role};
use domain::ports::AuditQueries;
use mock_vendor::MockVendor;
use settings::Settings;
use storage_postgres::PgStore;
use tempfile::TempDir;

use crate::children::Children;
use crate::fresh_servers::FreshServers;
use crate::programs::Programs;
use crate::{api_key, audit, data_file, endpoints};

/// Products that the document's examples name, and short ones that the generator comes upon.
const STOCK: [(&str, i64); 4] = [("SKU-1", 1_000), ("SKU-2", 10), ("0", 5), ("1", 5)];

/// Where orders are kept.
enum Place {
    File(PathBuf),
    Servers(Box<FreshServers>),
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
        let api = endpoints::free_address()?;
        arguments.extend(["--data".into(), file.clone().into()]);
        arguments.extend(["--port".into(), api.port().to_string().into()]);
        let mut children = Children::new();
        children.start("standalone", programs.path("standalone")?, &arguments, &[])?;
        children.until_ready(api).await?;
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
        let servers = FreshServers::create(settings).await?;
        let Prepared {
            folder,
            key,
            vendors,
            arguments,
        } = Prepared::new()?;
        let (api, worker) = (endpoints::free_address()?, endpoints::free_address()?);
        let mut environment = servers.environment();
        environment.push(("PORT", api.port().to_string()));
        environment.push(("WORKER_PORT", worker.port().to_string()));
        let mut children = Children::new();
        for name in ["api", "worker"] {
            children.start(name, programs.path(name)?, &arguments, &environment)?;
        }
        for server in [api, worker] {
            children.until_ready(server).await?;
        }
        Ok(Self {
            children,
            api,
            key,
            place: Place::Servers(Box::new(servers)),
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
            Place::Servers(servers) => PgStore::new(servers.options())?.audit().await?,
        };
        audit::refuse_findings(&findings)
    }

    /// Ends it in good order; what it used is removed.
    pub(super) async fn stop(self) -> Result<()> {
        self.children.end().await
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
        let key = api_key::new_text()?;
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
                "[[vendors]]\nid = \"{id}\"\nurl = \"{}\"\nsync_interval = \"5s\"\n",
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
