//! What the contracts cannot ask of every store: the file, who may open it, and what is left when its process dies.

#![allow(clippy::unwrap_used, reason = "this is a test")]

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

struct Place {
    _folder: TempDir,
    options: SqliteOptions,
}

impl Place {
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

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.options.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// What a process that is killed at this moment leaves behind.
    fn as_a_crash_leaves_it(&self) -> Place {
        let left = Place::new();
        fs::create_dir_all(left.options.path.parent().unwrap()).unwrap();
        for ending in ["", "-wal"] {
            fs::copy(self.beside(ending), left.beside(ending)).unwrap();
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

fn refusal(opened: Result<SqliteStore, OpenError>) -> String {
    match opened {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_second_one_is_refused_until_the_first_is_gone() {
    let place = Place::new();
    let store = place.open().unwrap();
    let refused = refusal(place.open());
    let pid = format!("in use by process {}", std::process::id());
    assert!(refused.contains(&pid), "{refused}");
    accept(&store, 1).await;
    drop(store);
    assert_eq!(orders(&place.open().unwrap()).await, 1);
}

#[tokio::test]
async fn one_that_only_reads_may_come_beside_and_sees_what_is_committed() {
    let place = Place::new();
    assert!(matches!(
        place.open_read_only().err(),
        Some(OpenError::Missing(_))
    ));
    let store = place.open().unwrap();
    let reader = place.open_read_only().unwrap();
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
async fn what_was_committed_is_there_after_a_crash_and_what_was_not_is_not() {
    let place = Place::new();
    let store = place.open().unwrap();
    accept(&store, 5).await;
    let mut open = store.begin().await.unwrap();
    open.accept(&[new_order("p", 1)]).await.unwrap();
    let left = place.as_a_crash_leaves_it();
    let reopened = left.open().unwrap();
    assert_eq!(orders(&reopened).await, 5);
    accept(&reopened, 1).await;
    assert_eq!(orders(&reopened).await, 6);
}

#[tokio::test]
async fn claims_of_a_process_that_died_are_void() {
    let place = Place::new();
    let store = place.open().unwrap();
    accept(&store, 4).await;
    let mut work = store.begin().await.unwrap();
    let claimed = work.claim(3, LONG).await.unwrap();
    assert!(!claimed.is_empty());
    work.commit().await.unwrap();
    let reopened = place.as_a_crash_leaves_it().open().unwrap();
    let mut work = reopened.begin().await.unwrap();
    let again = work.claim(10, LONG).await.unwrap();
    assert_eq!(again, claimed);
    assert_eq!(again.iter().flat_map(OutboxEntry::order_ids).count(), 4);
}

#[tokio::test]
async fn after_a_checkpoint_the_file_alone_holds_everything() {
    let place = Place::new();
    let store = place.open().unwrap();
    accept(&store, 7).await;
    store.checkpoint().await.unwrap();
    assert_eq!(fs::metadata(place.beside("-wal")).unwrap().len(), 0);
    let copy = Place::new();
    fs::create_dir_all(copy.options.path.parent().unwrap()).unwrap();
    fs::copy(&place.options.path, &copy.options.path).unwrap();
    assert_eq!(orders(&copy.open().unwrap()).await, 7);
}

#[tokio::test]
async fn what_is_no_store_of_this_version_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    fs::create_dir_all(place.options.path.parent().unwrap()).unwrap();
    let text = "not a database, but long enough to be looked at as one: ".repeat(20);
    fs::write(&place.options.path, &text).unwrap();
    let refused = refusal(place.open());
    assert!(refused.contains("store.db"), "{refused}");
    assert_eq!(fs::read_to_string(&place.options.path).unwrap(), text);
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_named_once() {
    let options = SqliteOptions::new("/proc/nowhere/store.db".into());
    let opened = SqliteStore::open(&options, Arc::new(SystemClock));
    let Err(error) = opened else {
        panic!("it was opened");
    };
    let text = error.to_string();
    assert!(text.contains("/proc/nowhere"), "{text}");
    assert!(std::error::Error::source(&error).is_none(), "told twice");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;
    let place = Place::new();
    drop(place.open().unwrap());
    let mut connection =
        diesel::SqliteConnection::establish(place.options.path.to_str().unwrap()).unwrap();
    connection
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .unwrap();
    drop(connection);
    for refused in [place.open(), place.open_read_only()] {
        let refused = refusal(refused);
        assert!(refused.contains("newer version"), "{refused}");
    }
}

/// A task that goes away in the middle of a call leaves nothing behind that the next one would meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_that_is_given_up_at_any_moment_leaves_no_transaction_open() {
    let place = Place::new();
    let store = place.open().unwrap();
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

/// Whichever name a process is given, it takes the lock of the one file: a second one would free the outbox claims of the
/// first and give out the same order ids.
#[tokio::test]
async fn a_file_is_locked_under_each_of_its_symbolic_names() {
    let place = Place::new();
    let folder = place.options.path.parent().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    let top = folder.parent().unwrap().to_owned();
    let link = top.join("link.db");
    let folder_link = top.join("folder");
    let chain = top.join("chain.db");
    // Dangling so far: relative to its own folder, and through another link.
    symlink("er/store.db", &link).unwrap();
    symlink(&folder, &folder_link).unwrap();
    symlink(&link, &chain).unwrap();
    let names = [
        place.options.path.clone(),
        link.clone(),
        folder_link.join("store.db"),
        chain,
        top.join("er/../er/./store.db"),
    ];
    for first in &names {
        let store = open_at(first).unwrap();
        accept(&store, 1).await;
        for second in &names {
            let refused = refusal(open_at(second));
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
fn a_new_file_behind_a_dangling_link_is_locked_where_the_link_leads() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    let target = folder.path().join("else/where/store.db");
    symlink(&target, &link).unwrap();
    let store = open_at(&link).unwrap();
    let refused = refusal(open_at(&target));
    assert!(refused.contains("is in use by process"), "{refused}");
    drop(store);
    assert!(target.is_file());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_link_that_leads_to_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    symlink(&link, &link).unwrap();
    let refused = refusal(open_at(&link));
    assert!(refused.contains("link.db"), "{refused}");
}

/// SQLite's log has the name of the file that was opened, so two hard links are two stores that share one file.
#[tokio::test]
async fn a_file_with_a_second_hard_link_is_refused() {
    let place = Place::new();
    let store = place.open().unwrap();
    accept(&store, 1).await;
    drop(store);
    let second = place.beside(".copy");
    fs::hard_link(&place.options.path, &second).unwrap();
    for path in [&place.options.path, &second] {
        let refused = refusal(open_at(path));
        assert!(refused.contains("2 hard links"), "{refused}");
        let options = SqliteOptions::new(path.clone());
        let refused = refusal(SqliteStore::open_read_only(&options, Arc::new(SystemClock)));
        assert!(refused.contains("2 hard links"), "{refused}");
    }
    fs::remove_file(&second).unwrap();
    assert_eq!(orders(&place.open().unwrap()).await, 1);
}

/// A page of an index that was overwritten: the rows can be read, the file is not whole.
#[tokio::test]
async fn the_audit_reports_a_damaged_file() {
    let place = Place::new();
    let store = place.open().unwrap();
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
            diesel::SqliteConnection::establish(place.options.path.to_str().unwrap()).unwrap();
        let found: Root = diesel::sql_query(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'orders_by_product_and_status'",
        )
        .get_result(&mut connection)
        .unwrap();
        usize::try_from(found.rootpage).unwrap()
    };
    let mut bytes = fs::read(&place.options.path).unwrap();
    let page_size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    // Cells are written from the end of a page downwards.
    let end = root * page_size;
    bytes[end - 16..end].fill(0x5a);
    fs::write(&place.options.path, bytes).unwrap();
    let store = place.open().unwrap();
    let found = store.audit().await.unwrap();
    let rule = domain::ports::audit_rules::INTEGRITY;
    assert!(found.iter().any(|it| it.rule == rule), "{found:?}");
}

/// A row that refers to one that is gone.
#[tokio::test]
async fn the_audit_reports_a_reference_that_leads_nowhere() {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;
    let place = Place::new();
    drop(place.open().unwrap());
    diesel::SqliteConnection::establish(place.options.path.to_str().unwrap())
        .unwrap()
        .batch_execute(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO idempotency_keys (scope, key, order_id, created_at) VALUES ('s', 'k', 17, 0)",
        )
        .unwrap();
    let found = place.open().unwrap().audit().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].rule, domain::ports::audit_rules::REFERENCES);
    assert!(found[0].row.contains("idempotency_keys"), "{found:?}");
}
