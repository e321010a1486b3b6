//! Fills the database from another store.

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool};
use domain::identifiers::BatchDigest;
use domain::order::{OrderStatus, RejectReason};
use domain::ports::{
    KeyRecord, OrderRecord, ProductRecord, StoreError, TransferError, TransferProgress,
    TransferRecord, TransferTarget, VendorRecord,
};
use storage_sql::{Bind, FlagRow, NumberRow};

use crate::store::PgStore;
use crate::unit_of_work::PgUnitOfWork;

/// Maximum orders of an outbox entry: few enough to be claimed, published and removed together.
const MAX_ORDERS_PER_ENTRY: usize = 256;

#[derive(QueryableByName)]
struct ProgressRow {
    #[diesel(sql_type = BigInt)]
    records: i64,
    #[diesel(sql_type = Bool)]
    finished: bool,
}

impl From<ProgressRow> for TransferProgress {
    fn from(row: ProgressRow) -> Self {
        Self {
            records: row.records.unsigned_abs(),
            finished: row.finished,
        }
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl PgUnitOfWork {
    async fn insert(
        &mut self,
        what: &'static str,
        sql: &'static str,
        binds: Vec<Bind>,
        expected: usize,
    ) -> Result<(), StoreError> {
        if expected == 0 {
            return Ok(());
        }
        let written = self.execute(sql, binds).await?;
        self.expect_rows(what, written, expected)
    }

    async fn restore_vendors(&mut self, records: &[VendorRecord]) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO vendor_syncs (vendor_id, configured, applied_as_of, full_as_of, outcome, finished_at, duration_ms,
    received, changed, error)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (vendor_id) DO UPDATE SET configured = excluded.configured, applied_as_of = excluded.applied_as_of,
    full_as_of = excluded.full_as_of, outcome = excluded.outcome, finished_at = excluded.finished_at,
    duration_ms = excluded.duration_ms, received = excluded.received, changed = excluded.changed,
    error = excluded.error";
        let syncs = || {
            records
                .iter()
                .map(|record| record.last_sync.as_ref().map(|(_, sync)| sync))
        };
        let finished = records
            .iter()
            .map(|record| record.last_sync.as_ref().map(|(instant, _)| *instant));
        let took_ms = syncs()
            .map(|sync| sync.map(|sync| i64::try_from(sync.took.as_millis()).unwrap_or(i64::MAX)));
        let binds = vec![
            Bind::texts(records.iter().map(|record| record.vendor_id.as_str())),
            Bind::Bools(records.iter().map(|record| record.configured).collect()),
            Bind::instants(records.iter().map(|record| record.applied_as_of)),
            Bind::instants(records.iter().map(|record| record.full_as_of)),
            Bind::texts(syncs().map(|sync| sync.map(|sync| <&str>::from(sync.outcome)))),
            Bind::instants(finished),
            Bind::big_ints(took_ms),
            Bind::big_ints(syncs().map(|sync| sync.map(|sync| number(sync.received)))),
            Bind::big_ints(syncs().map(|sync| sync.map(|sync| number(sync.changed)))),
            Bind::texts(syncs().map(|sync| sync.and_then(|sync| sync.error.as_deref()))),
        ];
        self.insert("moving vendors", SQL, binds, records.len())
            .await
    }

    async fn restore_products(&mut self, records: &[ProductRecord]) -> Result<(), StoreError> {
        const STOCK: &str = "
INSERT INTO stock (product_id, quantity, updated_at) SELECT * FROM unnest($1, $2, $3)";
        const POSITIONS: &str = "
INSERT INTO vendor_stock (product_id, vendor_id, reported, in_flight, as_of, is_expired)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6)";
        let binds = vec![
            Bind::texts(records.iter().map(|record| record.product_id.as_str())),
            Bind::big_ints(records.iter().map(|it| number(it.quantity))),
            Bind::instants(records.iter().map(|record| record.updated_at)),
        ];
        self.insert("moving stock", STOCK, binds, records.len())
            .await?;
        let positions = || {
            records.iter().flat_map(|record| {
                let product_id = record.product_id.as_str();
                record.positions.iter().map(move |it| (product_id, it))
            })
        };
        let binds = vec![
            Bind::texts(positions().map(|(product_id, _)| product_id)),
            Bind::texts(positions().map(|(_, it)| it.vendor_id.as_str())),
            Bind::integers(positions().map(|(_, it)| it.reported)),
            Bind::integers(positions().map(|(_, it)| it.in_flight)),
            Bind::instants(positions().map(|(_, it)| it.as_of)),
            Bind::Bools(positions().map(|(_, it)| it.is_expired).collect()),
        ];
        self.insert("moving positions", POSITIONS, binds, positions().count())
            .await
    }

    async fn restore_orders(&mut self, records: &[OrderRecord]) -> Result<(), StoreError> {
        const ORDERS: &str = "
INSERT INTO orders (id, product_id, quantity, status, reason, created_at, updated_at)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)";
        const OUTBOX: &str = "INSERT INTO outbox (order_ids, product_ids) VALUES ($1, $2)";
        let binds = vec![
            Bind::big_ints(records.iter().map(|record| record.id.0)),
            Bind::texts(records.iter().map(|it| it.request.product_id.as_str())),
            Bind::integers(records.iter().map(|it| it.request.quantity.units())),
            Bind::texts(records.iter().map(|record| record.status.as_str())),
            Bind::texts(records.iter().map(|it| it.reason.map(RejectReason::as_str))),
            Bind::instants(records.iter().map(|record| record.created_at)),
            Bind::instants(records.iter().map(|record| record.updated_at)),
        ];
        self.insert("moving orders", ORDERS, binds, records.len())
            .await?;
        let pending: Vec<&OrderRecord> = records
            .iter()
            .filter(|record| record.status == OrderStatus::Pending)
            .collect();
        for entry in pending.chunks(MAX_ORDERS_PER_ENTRY) {
            let binds = vec![
                Bind::big_ints(entry.iter().map(|record| record.id.0)),
                Bind::texts(entry.iter().map(|it| it.request.product_id.as_str())),
            ];
            self.insert("putting orders into the outbox", OUTBOX, binds, 1)
                .await?;
        }
        self.restore_allocations(records).await
    }

    async fn restore_allocations(&mut self, records: &[OrderRecord]) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO allocations (order_id, vendor_id, product_id, quantity, shipped_at, known_as_of)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6)";
        let allocations = || {
            records
                .iter()
                .flat_map(|order| order.allocations.iter().map(move |it| (order, it)))
        };
        let binds = vec![
            Bind::big_ints(allocations().map(|(order, _)| order.id.0)),
            Bind::texts(allocations().map(|(_, it)| it.vendor_id.as_str())),
            Bind::texts(allocations().map(|(order, _)| order.request.product_id.as_str())),
            Bind::integers(allocations().map(|(_, it)| it.quantity.units())),
            Bind::instants(allocations().map(|(_, it)| it.shipped_at)),
            Bind::instants(allocations().map(|(_, it)| it.known_as_of)),
        ];
        self.insert("moving allocations", SQL, binds, allocations().count())
            .await
    }

    async fn restore_keys(&mut self, records: &[KeyRecord]) -> Result<(), StoreError> {
        const SQL: &str = "
INSERT INTO idempotency_keys (scope, key, order_id, created_at, batch_digest)
SELECT * FROM unnest($1, $2, $3, $4, $5)";
        let binds = vec![
            Bind::texts(records.iter().map(|record| record.key.scope())),
            Bind::texts(records.iter().map(|record| record.key.key())),
            Bind::big_ints(records.iter().map(|record| record.order_id.0)),
            Bind::instants(records.iter().map(|record| record.created_at)),
            Bind::texts(
                records
                    .iter()
                    .map(|it| it.batch.as_ref().map(BatchDigest::as_str)),
            ),
        ];
        self.insert("moving keys", SQL, binds, records.len()).await
    }

    async fn restore(&mut self, records: Vec<TransferRecord>) -> Result<(), StoreError> {
        let (mut vendors, mut products, mut orders, mut keys) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for record in records {
            match record {
                TransferRecord::Vendor(record) => vendors.push(record),
                TransferRecord::Product(record) => products.push(record),
                TransferRecord::Order(record) => orders.push(record),
                TransferRecord::Key(record) => keys.push(record),
            }
        }
        self.restore_vendors(&vendors).await?;
        self.restore_products(&products).await?;
        self.restore_orders(&orders).await?;
        self.restore_keys(&keys).await
    }

    /// Locks the transfer and returns its progress.
    async fn progress(&mut self, name: &str) -> Result<Option<TransferProgress>, StoreError> {
        const SQL: &str = "
SELECT records, finished_at IS NOT NULL AS finished FROM transfers WHERE name = $1 FOR UPDATE";
        let found: Vec<ProgressRow> = self.load(SQL, vec![name.into()]).await?;
        Ok(found.into_iter().next().map(TransferProgress::from))
    }
}

#[async_trait]
impl TransferTarget for PgStore {
    async fn resume(&self, name: &str) -> Result<TransferProgress, TransferError> {
        // Every program of the aggregator sets its application name.
        const USERS: &str = "
SELECT count(DISTINCT application_name) AS number FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'order-aggregator-%'
  AND application_name <> current_setting('application_name')";
        const FILLED: &str =
            "SELECT EXISTS (SELECT FROM orders) OR EXISTS (SELECT FROM stock) AS flag";
        const BEGIN: &str = "INSERT INTO transfers (name) VALUES ($1)";

        let mut work = self.begin_work().await?;
        let users: Vec<NumberRow> = work.load(USERS, Vec::new()).await?;
        let users = storage_sql::count(&users);
        if users > 0 {
            return Err(TransferError::InUse(users));
        }
        if let Some(progress) = work.progress(name).await? {
            return Ok(progress);
        }
        let filled: Vec<FlagRow> = work.load(FILLED, Vec::new()).await?;
        if storage_sql::flag(&filled) {
            return Err(TransferError::NotEmpty);
        }
        work.execute(BEGIN, vec![name.into()]).await?;
        work.end().await?;
        Ok(TransferProgress {
            records: 0,
            finished: false,
        })
    }

    async fn append(
        &self,
        name: &str,
        done: u64,
        records: Vec<TransferRecord>,
    ) -> Result<(), TransferError> {
        const COUNT: &str = "UPDATE transfers SET records = records + $1 WHERE name = $2";
        let mut work = self.begin_work().await?;
        let found = work.progress(name).await?.map_or(0, |it| it.records);
        if found != done {
            return Err(TransferError::Overtaken {
                expected: done,
                found,
            });
        }
        let count = Bind::count(records.len());
        work.restore(records).await?;
        let counted = work.execute(COUNT, vec![count, name.into()]).await?;
        work.expect_rows("counting moved records", counted, 1)?;
        work.end().await?;
        Ok(())
    }

    async fn finish(&self, name: &str) -> Result<(), TransferError> {
        const NUMBERS: &str = "
SELECT setval('orders_id_seq', greatest(last_value, (SELECT coalesce(max(id), 0) FROM orders))) AS number
FROM orders_id_seq";
        const FINISHED: &str = "
UPDATE transfers SET finished_at = coalesce(finished_at, clock_timestamp()) WHERE name = $1";
        let mut work = self.begin_work().await?;
        work.load::<NumberRow>(NUMBERS, Vec::new()).await?;
        let finished = work.execute(FINISHED, vec![name.into()]).await?;
        work.expect_rows("finishing a transfer", finished, 1)?;
        // The statistics still describe empty tables.
        work.execute("ANALYZE", Vec::new()).await?;
        work.end().await?;
        Ok(())
    }
}
