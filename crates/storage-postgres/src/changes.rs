//! The change log: a row lists what a transaction changed.
//!
//! Rows are ordered by the transaction id and are read in that order, up to the lowest id of a transaction that is
//! still open: such a transaction may yet insert a row before the existing ones. Transactions of other databases of the
//! server count too, because PostgreSQL gives no more detail; [`lag`] measures the delay. A row costs no extra round
//! trip where it is inserted by another statement, as acceptance and settlement do.
//!
//! Transaction ids belong to one cluster. A log that was restored into another one (`pg_dump`, `psql`) has ids that
//! this cluster has not assigned yet, and cannot be read: [`reset_if_foreign`] detects and resets it.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use domain::change_offset::ChangeOffset;
use domain::identifiers::{OrderId, ProductId};
use domain::ports::{
    ChangeEntry, ChangeFeedLag, ChangeQueries, ChangeRepository, Changed, ChangesRead, StoreError,
};
use domain::settlement::{Outcome, SettledOrder};
use domain::timestamp::Timestamp;
use storage_sql::{Bind, FlagRow, NumberRow, UnreadableRows};

use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

/// Prefixes a statement with the insertion of a change-log row; the values of the row come first.
macro_rules! with_change {
    ($statement:literal) => {
        concat!(
            "
WITH logged AS (INSERT INTO changes (order_ids, product_ids) VALUES ($1, $2))",
            $statement
        )
    };
}
pub(crate) use with_change;

/// The changes of a transaction so far.
#[derive(Default)]
pub(crate) struct ChangeLog {
    /// Changes that the commit writes.
    open: Changed,
    /// Products that a row already contains.
    written: HashSet<ProductId>,
}

impl ChangeLog {
    pub(crate) fn order(&mut self, id: OrderId) {
        self.open.order_ids.push(id);
    }

    pub(crate) fn product(&mut self, id: &ProductId) {
        if !self.written.contains(id) {
            self.open.product_ids.push(id.clone());
        }
    }

    /// Returns what the outcomes change: the orders, and the stock of the sold products. The caller MUST write the
    /// entries.
    pub(crate) fn settled(&mut self, orders: &[SettledOrder]) -> Vec<Changed> {
        let sold = orders
            .iter()
            .filter(|order| matches!(order.outcome, Outcome::Confirmed(_)));
        self.written
            .extend(sold.map(|order| order.product_id.clone()));
        let changed = Changed {
            order_ids: orders.iter().map(|order| order.id).collect(),
            product_ids: self.written.iter().cloned().collect(),
        };
        changed.into_entries()
    }

    pub(crate) fn take(&mut self) -> Vec<Changed> {
        std::mem::take(&mut self.open).into_entries()
    }
}

/// Returns the bind values of an entry.
pub(crate) fn binds(entry: &Changed) -> Vec<Bind> {
    vec![
        entry.order_ids.as_slice().into(),
        entry.product_ids.as_slice().into(),
    ]
}

impl PgUnitOfWork {
    pub(crate) fn write_changes(&mut self, entries: &[Changed]) {
        const SQL: &str = "INSERT INTO changes (order_ids, product_ids) VALUES ($1, $2)";
        for entry in entries {
            self.defer("writing the change log", 1, SQL, binds(entry));
        }
    }
}

/// Whether the log has a transaction id that this cluster has not assigned yet. A transaction sees its own id as
/// unassigned, so the query runs before the first write.
const IS_FOREIGN: &str = "
SELECT f.xid >= n.next
       OR coalesce((SELECT xid FROM changes ORDER BY xid DESC, seq DESC LIMIT 1) >= n.next, false) AS flag
FROM changes_forgotten f CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot()) AS next) n";

/// Removes a log that was restored from another cluster, and returns whether it was one. Every offset returned before
/// is gone afterwards; transactions that are open now insert their entries after the new start. The row of
/// `changes_forgotten` MUST be locked.
async fn reset_if_foreign(work: &mut PgUnitOfWork) -> Result<bool, StoreError> {
    // The sequence was restored with the log, so its next value differs from that of every offset returned before.
    const RESET: &str = "
WITH removed AS (DELETE FROM changes)
UPDATE changes_forgotten SET
    xid = (pg_snapshot_xmin(pg_current_snapshot())::text::numeric - 1)::text::xid8,
    seq = nextval(pg_get_serial_sequence('changes', 'seq'))";
    let found: Vec<FlagRow> = work.load(IS_FOREIGN, Vec::new()).await?;
    if !storage_sql::flag(&found) {
        return Ok(false);
    }
    work.execute(RESET, Vec::new()).await?;
    tracing::warn!(
        "change log was restored from another PostgreSQL cluster and has been reset; clients of the change feed get one `reset` event"
    );
    Ok(true)
}

impl PgStore {
    /// Resets a change log that was restored from another cluster: at the start of a program, after migrations, and
    /// when a reader detects one. Returns whether it was reset.
    ///
    /// # Errors
    /// [`StoreError`]; the log is unchanged.
    pub async fn reset_foreign_change_log(&self) -> Result<bool, StoreError> {
        const LOCK: &str = "SELECT true AS flag FROM changes_forgotten FOR UPDATE";
        let mut work = self.begin_work().await?;
        let _: Vec<FlagRow> = work.load(LOCK, Vec::new()).await?;
        let was_reset = reset_if_foreign(&mut work).await?;
        work.end().await?;
        Ok(was_reset)
    }

    async fn is_log_foreign(&self) -> Result<bool, StoreError> {
        let found: Vec<FlagRow> = self.load(IS_FOREIGN, Vec::new()).await?;
        Ok(storage_sql::flag(&found))
    }
}

#[derive(QueryableByName)]
struct LagRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    held_back_us: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest_us: Option<i64>,
}

/// Returns how long entries have been held back, and the age of the oldest open transaction. A role that may not see
/// the sessions of other roles (`pg_read_all_stats`) sees only its own and prepared transactions.
pub(crate) async fn lag(store: &PgStore) -> Result<ChangeFeedLag, StoreError> {
    const SQL: &str = "
SELECT (
    SELECT (extract(epoch FROM clock_timestamp() - created_at) * 1000000)::bigint FROM changes
    WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, seq LIMIT 1
) AS held_back_us, (
    SELECT (extract(epoch FROM clock_timestamp() - min(began)) * 1000000)::bigint FROM (
        SELECT xact_start AS began FROM pg_stat_activity WHERE backend_xid IS NOT NULL
        UNION ALL SELECT prepared FROM pg_prepared_xacts
    ) AS open
) AS oldest_us";
    let found: Vec<LagRow> = store.load(SQL, Vec::new()).await?;
    let age =
        |micros: Option<i64>| micros.map(|us| Duration::from_micros(us.max(0).unsigned_abs()));
    Ok(found
        .first()
        .map_or_else(ChangeFeedLag::default, |row| ChangeFeedLag {
            held_back: age(row.held_back_us),
            oldest_transaction: age(row.oldest_us),
        }))
}

#[async_trait]
impl ChangeRepository for PgUnitOfWork {
    async fn prune_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        // One transaction prunes at a time; others skip instead of waiting.
        const LOCK: &str = "SELECT true AS flag FROM changes_forgotten FOR UPDATE SKIP LOCKED";
        const PRUNE: &str = "
WITH oldest AS (
    SELECT xid, seq, created_at FROM changes WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, seq LIMIT $1
), old AS (
    SELECT xid, seq FROM (
        SELECT xid, seq, bool_and(created_at < $2) OVER (ORDER BY xid, seq) AS is_old FROM oldest
    ) AS seen WHERE is_old
), deleted AS (
    DELETE FROM changes USING old WHERE changes.xid = old.xid AND changes.seq = old.seq RETURNING changes.xid, changes.seq
), last AS (
    SELECT xid, seq FROM deleted ORDER BY xid DESC, seq DESC LIMIT 1
), noted AS (
    UPDATE changes_forgotten SET xid = last.xid, seq = last.seq FROM last
)
SELECT count(*) AS number FROM deleted";

        let locked: Vec<FlagRow> = self.load(LOCK, Vec::new()).await?;
        if locked.is_empty() || reset_if_foreign(self).await? {
            return Ok(0);
        }
        let pruned: Vec<NumberRow> = self.load(PRUNE, vec![limit.into(), before.into()]).await?;
        Ok(storage_sql::count(&pruned))
    }
}

/// An offset. The driver has no type for transaction ids, so they are read as text.
#[derive(QueryableByName)]
struct OffsetRow {
    #[diesel(sql_type = Text)]
    xid: String,
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

fn offset(xid: &str, seq: i64) -> Result<ChangeOffset, StoreError> {
    let corrupt = |column| storage_sql::corrupt("changes", column, format!("{xid}-{seq}"));
    let group = xid.parse().map_err(corrupt("xid"))?;
    let number = u64::try_from(seq).map_err(storage_sql::corrupt("changes", "seq", seq))?;
    Ok(ChangeOffset::new(group, number))
}

/// An entry, if any, and whether the requested offset is gone.
#[derive(QueryableByName)]
struct ReadRow {
    #[diesel(sql_type = Bool)]
    is_gone: bool,
    #[diesel(sql_type = Nullable<Text>)]
    xid: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<Array<Nullable<BigInt>>>)]
    order_ids: Option<Vec<Option<i64>>>,
    #[diesel(sql_type = Nullable<Array<Nullable<Text>>>)]
    product_ids: Option<Vec<Option<String>>>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_final: Option<bool>,
}

impl ReadRow {
    fn entry(self, unreadable: &UnreadableRows) -> Result<Option<ChangeEntry>, StoreError> {
        let (Some(xid), Some(seq), Some(order_ids), Some(product_ids)) =
            (self.xid, self.seq, self.order_ids, self.product_ids)
        else {
            return Ok(None);
        };
        let row = format!("{xid}-{seq}");
        Ok(Some(ChangeEntry {
            offset: offset(&xid, seq)?,
            changed: storage_sql::changed(order_ids, product_ids, &row, unreadable)?,
        }))
    }
}

#[async_trait]
impl ChangeQueries for PgStore {
    async fn newest_change(&self) -> Result<ChangeOffset, StoreError> {
        const SQL: &str = "
SELECT xid::text AS xid, seq FROM changes_forgotten
UNION ALL (
    SELECT xid::text, seq FROM changes WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY changes.xid DESC, changes.seq DESC LIMIT 1
)";
        if self.is_log_foreign().await? {
            self.reset_foreign_change_log().await?;
        }
        let found: Vec<OffsetRow> = self.load(SQL, Vec::new()).await?;
        let mut offsets = found.iter().map(|row| offset(&row.xid, row.seq));
        offsets.try_fold(
            ChangeOffset::START,
            |newest, offset| Ok(newest.max(offset?)),
        )
    }

    async fn read_changes(
        &self,
        after: ChangeOffset,
        limit: u32,
    ) -> Result<ChangesRead, StoreError> {
        // Every offset returned before is the one from which entries are kept, or that of an entry. Any other offset
        // comes from another cluster, even if this cluster has assigned its transaction id by now.
        const SQL: &str = "
SELECT a.xid >= pg_snapshot_xmax(n.now) OR (a.xid, a.seq) <> (f.xid, f.seq)
           AND NOT EXISTS (SELECT FROM changes k WHERE (k.xid, k.seq) = (a.xid, a.seq)) AS is_gone,
       c.xid::text AS xid, c.seq, c.order_ids, c.product_ids, c.is_final
FROM changes_forgotten f CROSS JOIN (SELECT pg_current_snapshot() AS now) n
CROSS JOIN (SELECT $1::xid8 AS xid, $2::bigint AS seq) a
LEFT JOIN LATERAL (
    SELECT e.xid, e.seq, e.order_ids, e.product_ids, e.xid < pg_snapshot_xmin(n.now) AS is_final FROM changes e
    WHERE (e.xid, e.seq) > (a.xid, a.seq) ORDER BY e.xid, e.seq LIMIT $3
) c ON true
ORDER BY c.xid, c.seq";
        let binds = vec![
            after.group().to_string().as_str().into(),
            Bind::count(after.number()),
            limit.into(),
        ];
        let found: Vec<ReadRow> = self.load(SQL, binds).await?;
        if found.iter().any(|row| row.is_gone) {
            return Ok(ChangesRead::Gone);
        }
        let held_back = found.iter().any(|row| row.is_final == Some(false));
        let mut entries = Vec::with_capacity(found.len());
        for row in found {
            if row.is_final == Some(true) {
                entries.extend(row.entry(self.unreadable())?);
            }
        }
        Ok(ChangesRead::Next { entries, held_back })
    }
}
