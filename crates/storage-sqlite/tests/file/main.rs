//! Tests beyond the contracts: the file, which processes may open it, and the state after a crash.

#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

mod clock;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::ports::{
    Acceptance, AuditQueries as _, OrderFilter, OrderQueries as _, OutboxEntry, Store as _,
    StoreError,
};
use port_contracts::builders::new_order;
use storage_sqlite::{OpenError, SqliteOptions, SqliteStore};
use tempfile::TempDir;

const LONG: Duration = Duration::from_hours(1);

struct StoreFile {
    _folder: TempDir,
    options: SqliteOptions,
}

impl StoreFile {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("deep/er/store.db"));
        Self {
            _folder: folder,
            options,
        }
    }

    fn open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&self.options, Arc::new(SystemClock))
    }

    fn open_read_only(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open_read_only(&self.options, Arc::new(SystemClock))
    }

    fn companion(&self, ending: &str) -> PathBuf {
        let mut name = self.options.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// Copies the files that a process killed now would leave behind.
    fn copy_after_crash(&self) -> StoreFile {
        let left = StoreFile::new();
        fs::create_dir_all(left.options.path.parent().unwrap()).unwrap();
        for ending in ["", "-wal"] {
            fs::copy(self.companion(ending), left.companion(ending)).unwrap();
        }
        left
    }
}

fn open_at(path: &Path) -> Result<SqliteStore, OpenError> {
    let options = SqliteOptions::new(path.to_owned());
    SqliteStore::open(&options, Arc::new(SystemClock))
}

async fn accept(store: &SqliteStore, count: usize) {
    let orders: Vec<_> = (0..count).map(|_| new_order("p", 1)).collect();
    let mut work = store.begin().await.unwrap();
    let accepted = work.accept(&orders).await.unwrap();
    assert!(
        accepted
            .iter()
            .all(|it| matches!(it, Acceptance::Created(_)))
    );
    work.commit().await.unwrap();
}

async fn orders(store: &SqliteStore) -> usize {
    let filter = OrderFilter::default();
    store.list_orders(&filter, None, 1_000).await.unwrap().len()
}

fn open_error(opened: Result<SqliteStore, OpenError>) -> String {
    match opened {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_second_store_is_rejected_until_the_first_is_closed() {
    let file = StoreFile::new();
    let store = file.open().unwrap();
    let refused = open_error(file.open());
    let pid = format!("in use by process {}", std::process::id());
    assert!(refused.contains(&pid), "{refused}");
    accept(&store, 1).await;
    drop(store);
    assert_eq!(orders(&file.open().unwrap()).await, 1);
}

#[tokio::test]
async fn a_read_only_store_can_be_opened_concurrently_and_sees_committed_data() {
    let file = StoreFile::new();
    assert!(matches!(
        file.open_read_only().err(),
        Some(OpenError::Missing(_))
    ));
    let store = file.open().unwrap();
    let reader = file.open_read_only().unwrap();
    accept(&store, 3).await;
    assert_eq!(orders(&reader).await, 3);
    assert_eq!(reader.audit().await.unwrap(), []);
    assert!(matches!(
        reader.begin().await.err(),
        Some(StoreError::Failed(_))
    ));
    assert!(reader.checkpoint().await.is_err());
}

#[tokio::test]
async fn after_a_crash_exactly_the_committed_data_exists() {
    let file = StoreFile::new();
    let store = file.open().unwrap();
    accept(&store, 5).await;
    let mut open = store.begin().await.unwrap();
    open.accept(&[new_order("p", 1)]).await.unwrap();
    let left = file.copy_after_crash();
    let reopened = left.open().unwrap();
    assert_eq!(orders(&reopened).await, 5);
    accept(&reopened, 1).await;
    assert_eq!(orders(&reopened).await, 6);
}

#[tokio::test]
async fn outbox_claims_of_a_process_that_died_are_released() {
    let file = StoreFile::new();
    let store = file.open().unwrap();
    accept(&store, 4).await;
    let mut work = store.begin().await.unwrap();
    let claimed = work.claim(3, LONG).await.unwrap();
    assert!(!claimed.is_empty());
    work.commit().await.unwrap();
    let reopened = file.copy_after_crash().open().unwrap();
    let mut work = reopened.begin().await.unwrap();
    let again = work.claim(10, LONG).await.unwrap();
    assert_eq!(again, claimed);
    assert_eq!(again.iter().flat_map(OutboxEntry::order_ids).count(), 4);
}

#[tokio::test]
async fn after_a_checkpoint_the_file_alone_is_complete() {
    let file = StoreFile::new();
    let store = file.open().unwrap();
    accept(&store, 7).await;
    store.checkpoint().await.unwrap();
    assert_eq!(fs::metadata(file.companion("-wal")).unwrap().len(), 0);
    let copy = StoreFile::new();
    fs::create_dir_all(copy.options.path.parent().unwrap()).unwrap();
    fs::copy(&file.options.path, &copy.options.path).unwrap();
    assert_eq!(orders(&copy.open().unwrap()).await, 7);
}

#[tokio::test]
async fn a_file_that_is_not_a_store_is_rejected_and_not_changed() {
    let file = StoreFile::new();
    fs::create_dir_all(file.options.path.parent().unwrap()).unwrap();
    let text = "not a database, but long enough to be read as one: ".repeat(20);
    fs::write(&file.options.path, &text).unwrap();
    let refused = open_error(file.open());
    assert!(refused.contains("store.db"), "{refused}");
    assert_eq!(fs::read_to_string(&file.options.path).unwrap(), text);
}

#[tokio::test]
async fn an_unusable_path_is_named_once_in_the_error() {
    let options = SqliteOptions::new("/proc/nowhere/store.db".into());
    let opened = SqliteStore::open(&options, Arc::new(SystemClock));
    let Err(error) = opened else {
        panic!("the store was opened");
    };
    let text = error.to_string();
    assert!(text.contains("/proc/nowhere"), "{text}");
    assert!(
        std::error::Error::source(&error).is_none(),
        "the cause is repeated"
    );
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_rejected() {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;
    let file = StoreFile::new();
    drop(file.open().unwrap());
    let mut connection =
        diesel::SqliteConnection::establish(file.options.path.to_str().unwrap()).unwrap();
    connection
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .unwrap();
    drop(connection);
    for refused in [file.open(), file.open_read_only()] {
        let refused = open_error(refused);
        assert!(refused.contains("newer version"), "{refused}");
    }
}

/// A task that is dropped in the middle of a call leaves no state that affects the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_that_is_dropped_at_any_point_leaves_no_transaction_open() {
    let file = StoreFile::new();
    let store = file.open().unwrap();
    for round in 0..200_u64 {
        let given_up = tokio::time::timeout(Duration::from_micros(round), async {
            let mut work = store.begin().await.unwrap();
            work.accept(&[new_order("p", 1)]).await.unwrap();
            std::future::pending::<()>().await;
        });
        assert!(given_up.await.is_err());
    }
    assert_eq!(orders(&store).await, 0);
    accept(&store, 1).await;
    assert_eq!(orders(&store).await, 1);
}

/// A process takes the lock of the resolved file under any name: a second process would release the outbox claims of
/// the first and assign the same order ids.
#[tokio::test]
async fn a_file_is_locked_under_each_of_its_symbolic_names() {
    let file = StoreFile::new();
    let folder = file.options.path.parent().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    let top = folder.parent().unwrap().to_owned();
    let link = top.join("link.db");
    let folder_link = top.join("folder");
    let chain = top.join("chain.db");
    // Dangling so far: relative to its own directory, and through another link.
    symlink("er/store.db", &link).unwrap();
    symlink(&folder, &folder_link).unwrap();
    symlink(&link, &chain).unwrap();
    let names = [
        file.options.path.clone(),
        link.clone(),
        folder_link.join("store.db"),
        chain,
        top.join("er/../er/./store.db"),
    ];
    for first in &names {
        let store = open_at(first).unwrap();
        accept(&store, 1).await;
        for second in &names {
            let refused = open_error(open_at(second));
            assert!(
                refused.contains("is in use by process"),
                "{} next to {}: {refused}",
                second.display(),
                first.display()
            );
        }
        drop(store);
    }
    assert_eq!(orders(&open_at(&link).unwrap()).await, names.len());
    let left: Vec<_> = fs::read_dir(&top)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().ends_with(".lock"))
        .collect();
    assert!(left.is_empty(), "locks next to links: {left:?}");
}

#[test]
fn a_new_file_behind_a_dangling_link_is_locked_at_the_target_of_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    let target = folder.path().join("else/where/store.db");
    symlink(&target, &link).unwrap();
    let store = open_at(&link).unwrap();
    let refused = open_error(open_at(&target));
    assert!(refused.contains("is in use by process"), "{refused}");
    drop(store);
    assert!(target.is_file());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_link_to_itself_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    symlink(&link, &link).unwrap();
    let refused = open_error(open_at(&link));
    assert!(refused.contains("link.db"), "{refused}");
}

/// The name of SQLite's log is derived from the opened name, so two hard links are two stores that share one file.
#[tokio::test]
async fn a_file_with_a_second_hard_link_is_rejected() {
    let file = StoreFile::new();
    let store = file.open().unwrap();
    accept(&store, 1).await;
    drop(store);
    let second = file.companion(".copy");
    fs::hard_link(&file.options.path, &second).unwrap();
    for path in [&file.options.path, &second] {
        let refused = open_error(open_at(path));
        assert!(refused.contains("2 hard links"), "{refused}");
        let options = SqliteOptions::new(path.clone());
        let refused = open_error(SqliteStore::open_read_only(&options, Arc::new(SystemClock)));
        assert!(refused.contains("2 hard links"), "{refused}");
    }
    fs::remove_file(&second).unwrap();
    assert_eq!(orders(&file.open().unwrap()).await, 1);
}

/// An overwritten index page: the rows can be read, but the file is not intact.
#[tokio::test]
async fn the_audit_reports_a_damaged_file() {
    let file = StoreFile::new();
    let store = file.open().unwrap();
    for _ in 0..4 {
        accept(&store, 500).await;
    }
    assert_eq!(store.audit().await.unwrap(), []);
    store.checkpoint().await.unwrap();
    drop(store);
    let root = {
        use diesel::{Connection as _, RunQueryDsl as _};
        #[derive(diesel::QueryableByName)]
        struct Root {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            rootpage: i64,
        }
        let mut connection =
            diesel::SqliteConnection::establish(file.options.path.to_str().unwrap()).unwrap();
        let found: Root =
            diesel::sql_query("SELECT rootpage FROM sqlite_schema WHERE name = 'orders_by_status'")
                .get_result(&mut connection)
                .unwrap();
        usize::try_from(found.rootpage).unwrap()
    };
    let mut bytes = fs::read(&file.options.path).unwrap();
    let page_size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    // Cells are written from the end of a page downwards.
    let end = root * page_size;
    bytes[end - 16..end].fill(0x5a);
    fs::write(&file.options.path, bytes).unwrap();
    let store = file.open().unwrap();
    let found = store.audit().await.unwrap();
    let rule = domain::ports::audit_rules::INTEGRITY;
    assert!(found.iter().any(|it| it.rule == rule), "{found:?}");
}

/// A row that refers to a deleted row.
#[tokio::test]
async fn the_audit_reports_a_dangling_reference() {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;
    let file = StoreFile::new();
    drop(file.open().unwrap());
    diesel::SqliteConnection::establish(file.options.path.to_str().unwrap())
        .unwrap()
        .batch_execute(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO idempotency_keys (scope, key, order_id, created_at) VALUES ('s', 'k', 17, 0)",
        )
        .unwrap();
    let found = file.open().unwrap().audit().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].rule, domain::ports::audit_rules::REFERENCES);
    assert!(found[0].row.contains("idempotency_keys"), "{found:?}");
}
