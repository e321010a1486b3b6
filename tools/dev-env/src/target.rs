//! A fresh deployment with stocked vendors and an API key, for programs that test the API from outside.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use api_keys::{KeyHash, Role};
use dev_env::children::Children;
use dev_env::fresh_servers::FreshServers;
use dev_env::programs::{self, API, Profile, Programs, STANDALONE, WORKER};
use dev_env::{audit, endpoints, services};
use mock_vendor::MockVendor;
use settings::Settings;
use tempfile::TempDir;

/// Products in the document's examples, and short ids that the generator is likely to produce.
const STOCK: [(&str, i64); 4] = [("SKU-1", 1_000), ("SKU-2", 10), ("0", 5), ("1", 5)];

/// Storage of the deployment.
enum Storage {
    File(PathBuf),
    Servers(Box<FreshServers>),
}

/// The running service.
pub(crate) struct Target {
    // Field order is drop order: the processes are dropped before the servers that they use.
    children: Children,
    api: SocketAddr,
    key: String,
    storage: Storage,
    _vendors: Vec<MockVendor>,
    _dir: TempDir,
}

/// Builds the programs, starts a deployment, runs a test against it, and audits and stops it: API and worker on servers, or the
/// standalone program.
pub(crate) fn run(
    servers: bool,
    settings: &Settings,
    test: impl AsyncFnOnce(&Target) -> Result<()>,
) -> Result<()> {
    let needed: &[&str] = if servers {
        services::start(settings)?;
        &[API, WORKER]
    } else {
        &[STANDALONE]
    };
    let programs = programs::build(needed, Profile::Dev)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let target = if servers {
            Target::on_servers(&programs, settings).await?
        } else {
            Target::embedded(&programs).await?
        };
        let passed = test(&target).await;
        let audited = target.audit(settings).await;
        let stopped = target.stop().await;
        passed?;
        audited.context("audit after the test")?;
        stopped
    })
}

impl Target {
    /// Starts the standalone program.
    async fn embedded(programs: &Programs) -> Result<Self> {
        let Prepared {
            dir,
            key,
            vendors,
            mut arguments,
        } = Prepared::new()?;
        let file = dir.path().join("orders.db");
        let api = endpoints::free_address()?;
        arguments.extend(["--data".into(), file.clone().into()]);
        arguments.extend(["--port".into(), api.port().to_string().into()]);
        let mut children = Children::default();
        children.start("standalone", programs.path(STANDALONE)?, &arguments, &[])?;
        children.wait_until_ready(api).await?;
        Ok(Self {
            children,
            api,
            key,
            storage: Storage::File(file),
            _vendors: vendors,
            _dir: dir,
        })
    }

    /// Starts API and worker on servers.
    async fn on_servers(programs: &Programs, settings: &Settings) -> Result<Self> {
        let servers = FreshServers::create(settings).await?;
        let Prepared {
            dir,
            key,
            vendors,
            arguments,
        } = Prepared::new()?;
        let (api, worker) = (endpoints::free_address()?, endpoints::free_address()?);
        let mut environment = servers.environment();
        environment.push(("PORT", api.port().to_string()));
        environment.push(("WORKER_PORT", worker.port().to_string()));
        let mut children = Children::default();
        for (name, program) in [("api", API), ("worker", WORKER)] {
            children.start(name, programs.path(program)?, &arguments, &environment)?;
        }
        for server in [api, worker] {
            children.wait_until_ready(server).await?;
        }
        Ok(Self {
            children,
            api,
            key,
            storage: Storage::Servers(Box::new(servers)),
            _vendors: vendors,
            _dir: dir,
        })
    }

    /// Returns the URL of the API.
    pub(crate) fn url(&self) -> String {
        endpoints::http_url(self.api)
    }

    /// Returns an API key with the role operator.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Runs the audit and fails on a finding.
    async fn audit(&self, settings: &Settings) -> Result<()> {
        match &self.storage {
            Storage::Servers(servers) => audit::database(servers.options()).await,
            Storage::File(file) => audit::data_file(file, &settings.embedded).await,
        }
    }

    /// Stops the processes gracefully and removes their data.
    async fn stop(self) -> Result<()> {
        self.children.stop_all().await
    }
}

/// Parts common to all targets.
struct Prepared {
    dir: TempDir,
    key: String,
    vendors: Vec<MockVendor>,
    arguments: Vec<OsString>,
}

impl Prepared {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut random = [0; 32];
        getrandom::fill(&mut random).context("cannot read random numbers from the system")?;
        let key = api_keys::key_text(&random);
        let vendors = [
            MockVendor::start_local(STOCK)?,
            MockVendor::start_local(STOCK)?,
        ];
        let mut config = format!(
            "[telemetry]\nfilter = \"warn\"\n[[api_keys]]\nname = \"test\"\nroles = [\"{}\"]\nhash = \"{}\"\n",
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
        let file = dir.path().join("settings.toml");
        std::fs::write(&file, config)?;
        Ok(Self {
            dir,
            key,
            vendors: vendors.into(),
            arguments: vec!["--config".into(), file.into()],
        })
    }
}
