//! The change log: one row for what a transaction changed.
//!
//! Rows are ordered by their transaction's number and read in that order, as far as no transaction with a lower number is
//! still open: one that is may yet leave a row before those that are there. That includes transactions of other databases of
//! the server, of which this one does not know more. A row costs a transaction no round trip where it has a statement to go
//! along with: acceptance and settlement do.

use std::collections::HashSet;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use domain::identifiers::{OrderId, ProductId};
use domain::ports::{
    ChangeEntry, ChangeQueries, ChangeRepository, Changed, ChangesRead, StoreError,
};
use domain::position::Position;
use domain::settlement::{Outcome, SettledOrder};
use domain::stored;
use domain::timestamp::Timestamp;

use crate::rows::to_pg;
use crate::statement::{Bind, texts};
use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

/// For a statement that it goes along with; its values come first.
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

/// What a transaction has changed so far.
#[derive(Default)]
pub(crate) struct ChangeLog {
    /// To be written by the commit.
    open: Changed,
    /// Products that are in a row already.
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

    /// What decisions change: the orders, and the stock of what was sold. Whoever asks for it writes it.
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

/// An entry's values.
pub(crate) fn binds(entry: &Changed) -> Vec<Bind> {
    vec![
        Bind::BigInts(entry.order_ids.iter().map(|id| id.0).collect()),
        texts(entry.product_ids.iter().map(ProductId::as_str)),
    ]
}

impl PgUnitOfWork {
    pub(crate) async fn write_changes(&mut self, entries: &[Changed]) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO changes (order_ids, product_ids) VALUES ($1, $2)";
        for entry in entries {
            self.execute(SQL, binds(entry)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl ChangeRepository for PgUnitOfWork {
    async fn forget_changes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        // Whoever holds it forgets, and others need not wait for that.
        const LOCK: &str = "SELECT true AS flag FROM changes_forgotten FOR UPDATE SKIP LOCKED";
        const FORGET: &str = "
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

        let locked: Vec<crate::rows::FlagRow> = self.load(LOCK, Vec::new()).await?;
        if locked.is_empty() {
            return Ok(0);
        }
        let binds = vec![
            Bind::BigInt(i64::from(limit)),
            Bind::Timestamp(to_pg(before)),
        ];
        let forgotten: Vec<NumberRow> = self.load(FORGET, binds).await?;
        Ok(forgotten.first().map_or(0, |row| row.number.unsigned_abs()))
    }
}

#[derive(QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A position. The driver has no type for the numbers of transactions.
#[derive(QueryableByName)]
struct PositionRow {
    #[diesel(sql_type = Text)]
    xid: String,
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

fn position(xid: &str, seq: i64) -> Result<Position, StoreError> {
    let corrupt = |column| stored::corrupt("changes", column, format!("{xid}-{seq}"));
    let group = xid.parse().map_err(corrupt("xid"))?;
    let number = u64::try_from(seq).map_err(stored::corrupt("changes", "seq", seq))?;
    Ok(Position::new(group, number))
}

/// One entry, or none, and how it stands with the position that was read from.
#[derive(QueryableByName)]
struct ReadRow {
    #[diesel(sql_type = Bool)]
    is_gone: bool,
    #[diesel(sql_type = Nullable<Text>)]
    xid: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<Array<BigInt>>)]
    order_ids: Option<Vec<i64>>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    product_ids: Option<Vec<String>>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_final: Option<bool>,
}

impl ReadRow {
    fn entry(self) -> Result<Option<ChangeEntry>, StoreError> {
        let (Some(xid), Some(seq), Some(order_ids), Some(product_ids)) =
            (self.xid, self.seq, self.order_ids, self.product_ids)
        else {
            return Ok(None);
        };
        let product_ids = product_ids.into_iter();
        Ok(Some(ChangeEntry {
            position: position(&xid, seq)?,
            changed: Changed {
                order_ids: order_ids.into_iter().map(OrderId).collect(),
                product_ids: product_ids
                    .map(|id| stored::product_id(id, "changes"))
                    .collect::<Result<_, _>>()?,
            },
        }))
    }
}

#[async_trait]
impl ChangeQueries for PgStore {
    async fn newest_change(&self) -> Result<Position, StoreError> {
        const SQL: &str = "
SELECT xid::text AS xid, seq FROM changes_forgotten
UNION ALL (
    SELECT xid::text, seq FROM changes WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY changes.xid DESC, changes.seq DESC LIMIT 1
)";
        let found: Vec<PositionRow> = self.load(SQL, Vec::new()).await?;
        let mut positions = found.iter().map(|row| position(&row.xid, row.seq));
        positions.try_fold(
            Position::START,
            |newest, position| Ok(newest.max(position?)),
        )
    }

    async fn read_changes(&self, after: Position, limit: u32) -> Result<ChangesRead, StoreError> {
        const SQL: &str = "
SELECT (f.xid, f.seq) > ($1::xid8, $2) OR $3::xid8 >= pg_snapshot_xmax(n.now) AS is_gone,
       c.xid::text AS xid, c.seq, c.order_ids, c.product_ids, c.is_final
FROM changes_forgotten f CROSS JOIN (SELECT pg_current_snapshot() AS now) n
LEFT JOIN LATERAL (
    SELECT changes.*, changes.xid < pg_snapshot_xmin(n.now) AS is_final FROM changes
    WHERE (changes.xid, changes.seq) > ($4::xid8, $5) ORDER BY changes.xid, changes.seq LIMIT $6
) c ON true
ORDER BY c.xid, c.seq";
        let xid = || Bind::Text(after.group().to_string());
        let seq = || Bind::BigInt(i64::try_from(after.number()).unwrap_or(i64::MAX));
        let limit = Bind::BigInt(i64::from(limit));
        let binds = vec![xid(), seq(), xid(), xid(), seq(), limit];
        let found: Vec<ReadRow> = self.load(SQL, binds).await?;
        if found.iter().any(|row| row.is_gone) {
            return Ok(ChangesRead::Gone);
        }
        let held_back = found.iter().any(|row| row.is_final == Some(false));
        let mut entries = Vec::with_capacity(found.len());
        for row in found {
            if row.is_final == Some(true) {
                entries.extend(row.entry()?);
            }
        }
        Ok(ChangesRead::Next { entries, held_back })
    }
}
