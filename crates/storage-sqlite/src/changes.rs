//! The change log. One transaction at a time writes, so its entries are numbered in commit order without gaps: the
//! numbers alone show which entries were pruned and which never existed.

use std::sync::Arc;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, SqliteConnection};
use domain::change_offset::ChangeOffset;
use domain::ports::{
    ChangeEntry, ChangeQueries, ChangeRepository, Changed, ChangesRead, StoreError,
};
use domain::timestamp::Timestamp;
use serde_json::Value;
use storage_sql::{Instant, UnreadableRows};

use crate::statement::{execute, load};
use crate::store::SqliteStore;
use crate::unit_of_work::SqliteUnitOfWork;

#[derive(QueryableByName)]
struct ChangeRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    /// JSON arrays.
    #[diesel(sql_type = Text)]
    order_ids: String,
    #[diesel(sql_type = Text)]
    product_ids: String,
}

#[derive(QueryableByName)]
struct OldRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Instant)]
    created_at: Timestamp,
}

#[derive(QueryableByName)]
struct ExtentRow {
    /// The numbers of the last pruned and the last written entry; 0 if there is none.
    #[diesel(sql_type = BigInt)]
    pruned: i64,
    #[diesel(sql_type = BigInt)]
    written: i64,
}

/// Writes the changes of a unit of work.
pub(crate) fn write(
    connection: &mut SqliteConnection,
    changed: Changed,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO changes (order_ids, product_ids, created_at) VALUES ($1, $2, $3)";
    for entry in changed.into_entries() {
        let binds = vec![
            entry.order_ids.as_slice().into(),
            entry.product_ids.as_slice().into(),
            now.into(),
        ];
        execute(connection, SQL, binds)?;
    }
    Ok(())
}

fn prune(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    const OLDEST: &str = "SELECT id, created_at FROM changes ORDER BY id LIMIT $1";
    const PRUNE: &str = "DELETE FROM changes WHERE id <= $1";
    let oldest: Vec<OldRow> = load(connection, OLDEST, vec![limit.into()])?;
    let old = oldest.iter().take_while(|row| row.created_at < before);
    match old.last() {
        Some(last) => Ok(execute(connection, PRUNE, vec![last.id.into()])? as u64),
        None => Ok(0),
    }
}

fn extent(connection: &mut SqliteConnection) -> Result<(u64, u64), StoreError> {
    const SQL: &str = "
SELECT coalesce((SELECT min(id) - 1 FROM changes), written) AS pruned, written
FROM (SELECT coalesce(max(seq), 0) AS written FROM sqlite_sequence WHERE name = 'changes')";
    let found: Vec<ExtentRow> = load(connection, SQL, Vec::new())?;
    Ok(found.first().map_or((0, 0), |row| {
        (row.pruned.unsigned_abs(), row.written.unsigned_abs())
    }))
}

/// Reads in one transaction, so that both statements use the same snapshot.
fn read(
    connection: &mut SqliteConnection,
    unreadable: &UnreadableRows,
    after: ChangeOffset,
    limit: u32,
) -> Result<ChangesRead, StoreError> {
    const SQL: &str =
        "SELECT id, order_ids, product_ids FROM changes WHERE id > $1 ORDER BY id LIMIT $2";
    let (pruned, written) = extent(connection)?;
    if !(pruned..=written).contains(&after.group()) {
        return Ok(ChangesRead::Gone);
    }
    let after = i64::try_from(after.group()).unwrap_or(i64::MAX);
    let found: Vec<ChangeRow> = load(connection, SQL, vec![after.into(), limit.into()])?;
    let entries: Result<Vec<_>, StoreError> =
        found.iter().map(|row| entry(row, unreadable)).collect();
    Ok(ChangesRead::Next {
        entries: entries?,
        held_back: false,
    })
}

/// Returns the values of a JSON array. Text that is not a JSON array counts as one unreadable value.
fn values<T>(json: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<Option<T>> {
    serde_json::from_str::<Vec<Value>>(json)
        .map_or_else(|_| vec![None], |values| values.iter().map(read).collect())
}

fn entry(row: &ChangeRow, unreadable: &UnreadableRows) -> Result<ChangeEntry, StoreError> {
    let order_ids = values(&row.order_ids, Value::as_i64);
    let product_ids = values(&row.product_ids, |id| id.as_str().map(str::to_owned));
    Ok(ChangeEntry {
        offset: ChangeOffset::new(row.id.unsigned_abs(), 0),
        changed: storage_sql::changed(order_ids, product_ids, &row.id, unreadable)?,
    })
}

#[async_trait]
impl ChangeRepository for SqliteUnitOfWork {
    async fn prune_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.call(move |connection, _| prune(connection, before, limit))
            .await
    }
}

#[async_trait]
impl ChangeQueries for SqliteStore {
    async fn newest_change(&self) -> Result<ChangeOffset, StoreError> {
        let (_, written) = self.read(extent).await?;
        Ok(ChangeOffset::new(written, 0))
    }

    async fn read_changes(
        &self,
        after: ChangeOffset,
        limit: u32,
    ) -> Result<ChangesRead, StoreError> {
        let unreadable = Arc::clone(&self.shared().unreadable);
        self.read_at_once(move |connection| read(connection, &unreadable, after, limit))
            .await
    }
}
