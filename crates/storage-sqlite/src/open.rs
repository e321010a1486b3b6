//! Opens the file: its lock, its connections, and its schema migrations, which are embedded in the program.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationSource;
use diesel::sqlite::Sqlite;
use diesel::{Connection as _, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use domain::ports::StoreError;
use storage_sql::NumberRow;
use thiserror::Error;

use crate::file_lock::{FileLock, LockError};
use crate::statement;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

const LAST_ORDER: &str = "SELECT coalesce(max(id), 0) AS number FROM orders";

/// Executed without diesel's harness, which would create its table in a read-only file.
const MIGRATION_TABLES: &str = "
SELECT count(*) AS number FROM sqlite_schema WHERE name = '__diesel_schema_migrations'";

/// Page cache per connection in KiB (negative, as the pragma requires).
const CACHE_KIB: i32 = -16_384;

/// Size to which the write-ahead log is truncated after a checkpoint: a large import would leave it large forever.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// Number of pages in the write-ahead log after which a commit copies them into the data file, and waits for the disk twice.
/// Pages that many transactions change are copied once.
const CHECKPOINT_PAGES: u32 = 8_192;

/// Maximum length of a chain of symbolic links.
const MAX_LINKS: usize = 40;

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has the file open.
    #[error("the data file {} is in use by {}: stop that process, or use another file", path.display(), holder(*pid))]
    InUse {
        /// Path of the data file.
        path: PathBuf,
        /// Id of the other process, if known.
        pid: Option<u32>,
    },
    /// The data file, or one of its companion files, cannot be created or used.
    #[error("cannot use the data file: {}: {reason}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        reason: io::Error,
    },
    /// The file has a second name, which SQLite does not recognise as the same store.
    #[error("the data file {} has {links} hard links: SQLite keeps its log next to one name, so a second name shows other data; remove the other links, or copy the file", path.display())]
    HardLinked {
        /// Path of the data file.
        path: PathBuf,
        /// Number of names.
        links: u64,
    },
    /// The file does not exist, and it was opened read-only.
    #[error("the data file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file is not a store, is damaged, or the disk is full.
    #[error("cannot open the data file {}: {reason}", path.display())]
    Unusable {
        /// Path of the data file.
        path: PathBuf,
        /// Error of SQLite.
        reason: String,
    },
    /// The file has migrations that this program does not know.
    #[error("the data file {} was written by a newer version of this program: use that version", .0.display())]
    Newer(PathBuf),
    /// The file lacks migrations that this program needs, and it was opened read-only.
    #[error("the data file {} was written by an older version of this program: open it with `standalone` once", .0.display())]
    Older(PathBuf),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// The parts of an open store.
pub(crate) struct Opened {
    /// The connections of the writer's thread, for writes and for reads; `None` if the file is opened read-only.
    pub(crate) writer: Option<(SqliteConnection, SqliteConnection)>,
    pub(crate) readers: Vec<SqliteConnection>,
    /// `None` if the file is opened read-only.
    pub(crate) lock: Option<FileLock>,
    /// Highest order id, or 0 if there is none.
    pub(crate) last_order: i64,
}

/// Opens a file as the only process that writes to it. Creates the file and its directory if they do not exist.
pub(crate) fn exclusively(
    path: &Path,
    readers: usize,
    wait: Duration,
) -> Result<Opened, OpenError> {
    let path = resolve_or_prepare(path)?;
    let lock = FileLock::take(&path).map_err(|error| match error {
        LockError::Held(pid) => OpenError::InUse {
            path: path.clone(),
            pid,
        },
        LockError::Io(path, reason) => OpenError::Io { path, reason },
    })?;
    refuse_hard_links(&path)?;
    let mut writer = connect(&path, wait)?;
    let set_up = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA journal_size_limit = {MAX_LOG_BYTES}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"
    );
    writer.batch_execute(&set_up).map_err(unusable(&path))?;
    migrate(&mut writer, &path)?;
    // Their holder had the lock of the file, so it has ended.
    writer
        .batch_execute("UPDATE outbox SET claimed_until = NULL WHERE claimed_until IS NOT NULL")
        .map_err(unusable(&path))?;
    Ok(Opened {
        last_order: number(&mut writer, LAST_ORDER).map_err(unusable(&path))?,
        writer: Some((writer, connect_reader(&path, wait)?)),
        readers: connect_readers(&path, readers, wait)?,
        lock: Some(lock),
    })
}

/// Opens an existing file read-only, even if another process has it open.
pub(crate) fn to_read(path: &Path, readers: usize, wait: Duration) -> Result<Opened, OpenError> {
    let path = absolute(path)?;
    if !path.is_file() {
        return Err(OpenError::Missing(path));
    }
    let path = fs::canonicalize(&path).map_err(io_error(&path))?;
    refuse_hard_links(&path)?;
    let mut readers = connect_readers(&path, readers, wait)?;
    if let Some(reader) = readers.first_mut() {
        let found = state(reader, &path)?;
        if !found.unknown.is_empty() {
            return Err(OpenError::Newer(path));
        }
        if !found.pending.is_empty() {
            return Err(OpenError::Older(path));
        }
    }
    Ok(Opened {
        last_order: 0,
        writer: None,
        readers,
        lock: None,
    })
}

/// An absolute path cannot be mistaken for a URI, from which SQLite would read options.
fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(io_error(path))
}

/// Returns the path of the file without symbolic links: the lock is next to this path, so that all names of a file
/// share one lock. If the file does not exist yet, its directory is created and resolved; a link to such a file is
/// resolved to where SQLite would create it.
fn resolve_or_prepare(path: &Path) -> Result<PathBuf, OpenError> {
    let mut path = absolute(path)?;
    for _ in 0..MAX_LINKS {
        match fs::canonicalize(&path) {
            Ok(resolved) => return Ok(resolved),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&path)(error)),
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            break;
        };
        fs::create_dir_all(folder).map_err(io_error(folder))?;
        let folder = fs::canonicalize(folder).map_err(io_error(folder))?;
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Ok(folder.join(name)),
        }
    }
    Err(io_error(&path)(io::Error::other(
        "cannot resolve its symbolic links",
    )))
}

/// Rejects hard links. SQLite derives the name of its log from the name of the file: under a second name it would read
/// and write without the content of that log (<https://sqlite.org/howtocorrupt.html>, "Multiple links to the same
/// file").
fn refuse_hard_links(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.nlink() > 1 => Err(OpenError::HardLinked {
            path: path.to_owned(),
            links: metadata.nlink(),
        }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(path)(error)),
    }
}

/// For `map_err`: converts an I/O error of this path.
fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |reason| OpenError::Io {
        path: path.to_owned(),
        reason,
    }
}

/// For `map_err`: converts an error of using this file.
fn unusable<E: ToString>(path: &Path) -> impl Fn(E) -> OpenError {
    move |reason| OpenError::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn connect(path: &Path, wait: Duration) -> Result<SqliteConnection, OpenError> {
    let text = path
        .to_str()
        .ok_or("the path is not UTF-8")
        .map_err(unusable(path))?;
    let mut connection = SqliteConnection::establish(text).map_err(unusable(path))?;
    let set_up = format!(
        "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = ON; PRAGMA cache_size = {CACHE_KIB}; \
         PRAGMA temp_store = MEMORY",
        wait.as_millis()
    );
    connection.batch_execute(&set_up).map_err(unusable(path))?;
    Ok(connection)
}

fn connect_readers(
    path: &Path,
    readers: usize,
    wait: Duration,
) -> Result<Vec<SqliteConnection>, OpenError> {
    (0..readers.max(1))
        .map(|_| connect_reader(path, wait))
        .collect()
}

fn connect_reader(path: &Path, wait: Duration) -> Result<SqliteConnection, OpenError> {
    let mut reader = connect(path, wait)?;
    reader
        .batch_execute("PRAGMA query_only = ON")
        .map_err(unusable(path))?;
    Ok(reader)
}

/// Differences between the migrations of the file and of the program.
struct MigrationState {
    /// Migrations that the file lacks.
    pending: Vec<String>,
    /// Migrations that the program does not know.
    unknown: Vec<String>,
}

fn state(connection: &mut SqliteConnection, path: &Path) -> Result<MigrationState, OpenError> {
    let known = MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(unusable(path))?;
    let known: BTreeSet<String> = known
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let applied: BTreeSet<String> =
        if number(connection, MIGRATION_TABLES).map_err(unusable(path))? > 0 {
            connection
                .applied_migrations()
                .map_err(unusable(path))?
                .iter()
                .map(ToString::to_string)
                .collect()
        } else {
            BTreeSet::new()
        };
    Ok(MigrationState {
        pending: known.difference(&applied).cloned().collect(),
        unknown: applied.difference(&known).cloned().collect(),
    })
}

fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    if !state(connection, path)?.unknown.is_empty() {
        return Err(OpenError::Newer(path.to_owned()));
    }
    let ran = connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(unusable(path))?;
    for migration in ran {
        tracing::info!(%migration, file = %path.display(), "data file migrated");
    }
    Ok(())
}

fn number(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, StoreError> {
    let found: Vec<NumberRow> = statement::load(connection, sql, Vec::new())?;
    Ok(found.first().map_or(0, |row| row.number))
}
