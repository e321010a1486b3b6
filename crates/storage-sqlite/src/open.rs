//! Opening the file: its lock, its connections, and bringing it up to date. The migrations are part of the program.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationSource;
use diesel::sql_types::BigInt;
use diesel::sqlite::Sqlite;
use diesel::{Connection as _, QueryableByName, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use domain::ports::StoreError;
use thiserror::Error;

use crate::file_lock::{FileLock, LockError};
use crate::statement;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

const LAST_ORDER: &str = "SELECT coalesce(max(id), 0) AS number FROM orders";

/// Asked without diesel's harness, which would create its table in a file that is only read.
const MIGRATION_TABLES: &str = "
SELECT count(*) AS number FROM sqlite_schema WHERE name = '__diesel_schema_migrations'";

/// Pages kept in memory, in KiB (a negative number, as the pragma has it), a connection.
const CACHE_KIB: i32 = -16_384;

/// The write-ahead log is cut to this when it was folded into the file: a large import would leave it large for ever.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// Symbolic links that lead from one to the next, at most.
const MAX_LINKS: usize = 40;

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data file {} is in use by {}: stop that one, or take another file", path.display(), holder(*pid))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The other process, if it says so.
        pid: Option<u32>,
    },
    /// The file, or one beside it, cannot be created or used.
    #[error("the data file cannot be used: {}: {reason}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file has a second name, which is not seen as the same store.
    #[error("the data file {} has {links} hard links: SQLite keeps its log next to one name, so a second name shows other data; remove the other links, or copy the file", path.display())]
    HardLinked {
        /// The file.
        path: PathBuf,
        /// Its names.
        links: u64,
    },
    /// There is no such file, and it was only to be read.
    #[error("there is no data file {}", .0.display())]
    Missing(PathBuf),
    /// It is not one of ours, is damaged, or the disk is full.
    #[error("the data file {} cannot be opened: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// It has tables that this program does not know.
    #[error("the data file {} was written by a newer version of this program: use that one", .0.display())]
    Newer(PathBuf),
    /// It lacks tables that this program needs, and was only to be read.
    #[error("the data file {} was written by an older version of this program: open it with `standalone` once", .0.display())]
    Older(PathBuf),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// What is open.
pub(crate) struct Opened {
    /// None if the file is only read.
    pub(crate) writer: Option<SqliteConnection>,
    pub(crate) readers: Vec<SqliteConnection>,
    /// None if the file is only read.
    pub(crate) lock: Option<FileLock>,
    /// The highest number of an order, 0 if there is none.
    pub(crate) last_order: i64,
}

/// Opens a file as the one process that writes to it; creates it, and its folder, if there is none.
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
         PRAGMA journal_size_limit = {MAX_LOG_BYTES}"
    );
    writer.batch_execute(&set_up).map_err(unusable(&path))?;
    migrate(&mut writer, &path)?;
    // Whoever claimed them held the lock of the file, so it is gone.
    writer
        .batch_execute("UPDATE outbox SET claimed_until = NULL WHERE claimed_until IS NOT NULL")
        .map_err(unusable(&path))?;
    Ok(Opened {
        last_order: number(&mut writer, LAST_ORDER).map_err(unusable(&path))?,
        writer: Some(writer),
        readers: connect_readers(&path, readers, wait)?,
        lock: Some(lock),
    })
}

/// Opens a file that exists only to read it, also while another process has it.
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

/// An absolute path cannot be taken for a URI, which SQLite would read options from.
fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(io_error(path))
}

/// The one path of the file, without symbolic links: the lock follows it, and two names of a file have one lock. For a file
/// that does not exist yet, its folder is created and resolved; a link to such a file leads to where SQLite would create it.
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
        "its symbolic links lead nowhere",
    )))
}

/// SQLite names its log after the file's name: under a second name it would read, and write, without what is in that log
/// (<https://sqlite.org/howtocorrupt.html>, "Multiple links to the same file").
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

/// For `map_err`: the system refused something about this path.
fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |reason| OpenError::Io {
        path: path.to_owned(),
        reason,
    }
}

/// For `map_err`: what was done with this file failed.
fn unusable<E: ToString>(path: &Path) -> impl Fn(E) -> OpenError {
    move |reason| OpenError::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn connect(path: &Path, wait: Duration) -> Result<SqliteConnection, OpenError> {
    let text = path
        .to_str()
        .ok_or("its name is not UTF-8")
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
        .map(|_| {
            let mut reader = connect(path, wait)?;
            reader
                .batch_execute("PRAGMA query_only = ON")
                .map_err(unusable(path))?;
            Ok(reader)
        })
        .collect()
}

/// Migrations by which the file and the program differ.
struct MigrationState {
    /// The program has them, the file lacks them.
    pending: Vec<String>,
    /// The file has them, the program does not know them.
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
        tracing::info!(%migration, file = %path.display(), "data file brought up to date");
    }
    Ok(())
}

#[derive(QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn number(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, StoreError> {
    let found: Vec<NumberRow> = statement::load(connection, sql, [])?;
    Ok(found.first().map_or(0, |row| row.number))
}
