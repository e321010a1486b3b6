//! The store of a command: the database in the settings, or the data file of an embedded deployment.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clock_tokio::SystemClock;
use domain::ports::{
    AuditQueries, Clock, DeadLetterQueries, OrderQueries, RunQueries, StockQueries, Store,
    StoreProbe, SyncQueries, TransferSource, VendorQueries, VendorSetQueries,
};
use settings::Settings;
use storage_postgres::PgStore;
use storage_sqlite::SqliteStore;
use tokio::runtime::Runtime;

use crate::connection;

/// A store, in each of its roles.
pub(crate) trait AdminStore:
    AuditQueries
    + DeadLetterQueries
    + OrderQueries
    + RunQueries
    + StockQueries
    + Store
    + StoreProbe
    + SyncQueries
    + TransferSource
    + VendorQueries
    + VendorSetQueries
{
}

impl AdminStore for PgStore {}

impl AdminStore for SqliteStore {}

/// How a command uses a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads an existing file, also while another process uses it.
    Read,
    /// Writes to an existing file exclusively.
    Write,
    /// Writes exclusively, and creates the file if it is missing.
    Create,
}

/// Opens the data file, or the database if there is none. `runtime` drives the database's connections.
pub(crate) fn open(
    data: Option<&Path>,
    access: Access,
    settings: &Settings,
    runtime: &Runtime,
) -> Result<Arc<dyn AdminStore>> {
    let _context = runtime.enter();
    let Some(path) = data else {
        return Ok(Arc::new(PgStore::new(&connection::postgres(settings))?));
    };
    let may_open = access == Access::Create || path.is_file();
    ensure!(
        may_open,
        "data file {} not found: the embedded program creates it when it starts (order-aggregator --data FILE)",
        path.display()
    );
    let options = wiring::sqlite(&settings.embedded, path.to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = match access {
        Access::Read => SqliteStore::open_read_only(&options, clock)?,
        Access::Write | Access::Create => SqliteStore::open(&options, clock)?,
    };
    Ok(Arc::new(store))
}
