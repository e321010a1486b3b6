//! Orders inside a transaction.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use domain::order::{Order, OrderState, OrderStatus, RejectReason};
use domain::ports::{Acceptance, NewOrder, OrderRepository, StoreError};
use domain::settlement::{Outcome, PendingOrder, SettledOrder};
use domain::timestamp::Timestamp;
use storage_sql::{Bind, Instant, NumberRow, OrderRow};

use crate::changes::{self, with_change};
use crate::unit_of_work::PgUnitOfWork;

/// Inserts the outbox entry of created orders, and their change-log rows of at most `MAX_CHANGED_IDS` orders each. The arguments are
/// the rows of created orders and their traces by id.
macro_rules! with_outbox_and_changes {
    ($created:literal, $traceparents:literal) => {
        concat!(
            "
), together AS (
    SELECT array_agg(id ORDER BY id) AS order_ids, array_agg(created.product_id ORDER BY id) AS product_ids,
           ", $traceparents, " AS traceparents
    FROM ", $created, " HAVING count(*) > 0
), boxed AS (
    INSERT INTO outbox (order_ids, product_ids, traceparents)
    SELECT order_ids, product_ids, traceparents FROM together
), logged AS (
    INSERT INTO changes (order_ids)
    SELECT order_ids[first : first + 1023]
    FROM together CROSS JOIN generate_series(1, cardinality(order_ids), 1024) AS first
)"
        )
    };
}

/// Keys are inserted in a fixed order, so that two batches that share several keys cannot deadlock. The arguments are the
/// parameters and columns of the input beyond those of every order, and those of [`with_outbox_and_changes!`].
macro_rules! accept {
    ($parameters:literal, $columns:literal, $created:literal, $traceparents:literal) => {
        concat!(
            "
WITH input AS MATERIALIZED (
    SELECT ordinal, nextval('orders_id_seq') AS id, product_id, quantity, scope, key, batch_digest", $columns, "
    FROM unnest($1, $2, $3, $4, $5", $parameters, ") WITH ORDINALITY
         AS i (product_id, quantity, scope, key, batch_digest", $columns, ", ordinal)
), won AS (
    INSERT INTO idempotency_keys (scope, key, order_id, batch_digest)
    SELECT scope, key, id, batch_digest FROM input WHERE key IS NOT NULL
    ORDER BY scope COLLATE \"C\", key COLLATE \"C\", ordinal
    ON CONFLICT DO NOTHING
    RETURNING order_id
), created AS (
    INSERT INTO orders (id, product_id, quantity)
    SELECT id, product_id, quantity FROM input
    WHERE key IS NULL OR id IN (SELECT order_id FROM won)
    ORDER BY ordinal
    RETURNING id, product_id, created_at",
            with_outbox_and_changes!($created, $traceparents),
            "
SELECT created.id, created.created_at
FROM input LEFT JOIN created USING (id) ORDER BY input.ordinal"
        )
    };
}

const ACCEPT: &str = accept!("", "", "created", "NULL::text[]");

/// If an order is traced.
const ACCEPT_TRACED: &str = accept!(
    ", $6",
    ", traceparent",
    "created JOIN input USING (id)",
    "array_agg(traceparent ORDER BY id)"
);

/// Without keys every order is created, so no join is needed: ids rise in the order of the input. The argument is the traces in the
/// same order.
macro_rules! accept_without_keys {
    ($traceparents:literal) => {
        concat!(
            "
WITH created AS (
    INSERT INTO orders (id, product_id, quantity)
    SELECT nextval('orders_id_seq'), product_id, quantity
    FROM (
        SELECT * FROM unnest($1, $2) WITH ORDINALITY AS i (product_id, quantity, ordinal) ORDER BY ordinal
    ) AS input
    RETURNING id, product_id, created_at",
            with_outbox_and_changes!("created", $traceparents),
            "
SELECT id, created_at FROM created ORDER BY id"
        )
    };
}

const ACCEPT_WITHOUT_KEYS: &str = accept_without_keys!("NULL::text[]");

/// If an order is traced.
const ACCEPT_WITHOUT_KEYS_TRACED: &str = accept_without_keys!("$3::text[]");

#[derive(QueryableByName)]
struct AcceptedRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(sql_type = Nullable<Instant>)]
    created_at: Option<Timestamp>,
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Nullable<Text>)]
    batch_digest: Option<String>,
    #[diesel(embed)]
    order: OrderRow,
}

/// Orders and allocations in one statement: with two, a cancellation in between would show an order without one or the
/// other. The keys must be distinct: a duplicate key would return the allocations of its order twice.
const FIND_BY_KEY: &str = concat!(
    "SELECT k.scope, k.key, k.batch_digest, ",
    storage_sql::order_columns!(),
    "
FROM (SELECT DISTINCT * FROM unnest($1, $2) AS i (scope, key)) i
JOIN idempotency_keys k ON k.scope = i.scope AND k.key = i.key
JOIN orders o ON o.id = k.order_id
LEFT JOIN allocations a ON a.order_id = o.id
ORDER BY o.id, a.vendor_id"
);

const FIND_LOCKED: &str = concat!(
    "SELECT ",
    storage_sql::order_columns!(),
    "
FROM orders o LEFT JOIN allocations a ON a.order_id = o.id WHERE o.id = $1 ORDER BY a.vendor_id"
);

pub(crate) const TRY_LOCK_PENDING: &str = "
SELECT id, product_id, quantity FROM orders
WHERE id = ANY($1) AND (status = 'PENDING') IS TRUE ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";

impl PgUnitOfWork {
    /// Returns an order whose row is locked, so that it reads what the last lock holder wrote.
    async fn locked_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let found = self.load(FIND_LOCKED, vec![id.into()]).await?;
        Ok(storage_sql::orders(found)?.pop())
    }

    /// Defers the writes of decisions.
    pub(crate) fn defer_settled(&mut self, orders: &[SettledOrder]) {
        // One statement per outcome instead of a join with all outcomes: only this can be planned with the primary key.
        const DECIDED: &str = "
UPDATE orders SET status = $1, reason = $2, updated_at = clock_timestamp()
WHERE id = ANY($3) AND (status = 'PENDING') IS TRUE";
        const DECIDED_AND_LOGGED: &str = with_change!(
            "
UPDATE orders SET status = $3, reason = $4, updated_at = clock_timestamp()
WHERE id = ANY($5) AND (status = 'PENDING') IS TRUE"
        );
        const ALLOCATIONS: &str = "
INSERT INTO allocations (order_id, vendor_id, product_id, quantity)
SELECT * FROM unnest($1, $2, $3, $4)";

        let mut decided: BTreeMap<(&str, Option<&str>), Vec<i64>> = BTreeMap::new();
        let mut allocated = Vec::new();
        for order in orders {
            let outcome = match &order.outcome {
                Outcome::Rejected(reason) => {
                    (OrderStatus::Rejected.as_str(), Some(reason.as_str()))
                }
                Outcome::Confirmed(allocations) => {
                    allocated.extend(allocations.iter().map(|it| (order, it)));
                    (OrderStatus::Confirmed.as_str(), None)
                }
            };
            decided.entry(outcome).or_default().push(order.id.0);
        }
        let mut entries = self.changes.settled(orders);
        let mut along = entries.pop();
        self.write_changes(&entries);
        for ((status, reason), ids) in decided {
            let expected = ids.len();
            let (sql, mut binds) = match along.take() {
                Some(entry) => (DECIDED_AND_LOGGED, changes::binds(&entry)),
                None => (DECIDED, Vec::new()),
            };
            binds.extend([status.into(), reason.into(), Bind::big_ints(ids)]);
            self.defer("settling orders", expected, sql, binds);
        }
        if allocated.is_empty() {
            return;
        }
        let binds = vec![
            Bind::big_ints(allocated.iter().map(|(order, _)| order.id.0)),
            Bind::texts(allocated.iter().map(|(_, it)| it.vendor_id.as_str())),
            Bind::texts(allocated.iter().map(|(order, _)| order.product_id.as_str())),
            Bind::integers(allocated.iter().map(|(_, it)| it.quantity.units())),
        ];
        self.defer("allocating", allocated.len(), ALLOCATIONS, binds);
    }

    /// Returns the order of each key, by scope and key, and the digest of the batch if the key belongs to a batch.
    async fn orders_by_key(
        &mut self,
        keys: &[&IdempotencyKey],
    ) -> Result<HashMap<(String, String), (Order, Option<BatchDigest>)>, StoreError> {
        let binds = vec![
            Bind::texts(keys.iter().map(|key| key.scope())),
            Bind::texts(keys.iter().map(|key| key.key())),
        ];
        let found: Vec<KeyRow> = self.load(FIND_BY_KEY, binds).await?;
        let mut names = Vec::with_capacity(found.len());
        let mut joined = Vec::with_capacity(found.len());
        for row in found {
            let id = row.order.id();
            if joined.last().is_none_or(|last: &OrderRow| last.id() != id) {
                let digest = storage_sql::batch_digest(row.batch_digest, id)?;
                names.push(((row.scope, row.key), digest));
            }
            joined.push(row.order);
        }
        let orders = storage_sql::orders(joined)?;
        let found = names.into_iter().zip(orders);
        Ok(found
            .map(|((name, digest), order)| (name, (order, digest)))
            .collect())
    }
}

/// Returns the scopes, keys and batch digests.
fn key_binds(orders: &[NewOrder]) -> [Bind; 3] {
    let keys = orders.iter().map(|order| order.key.as_ref());
    let batches = orders.iter().map(|order| order.batch.as_ref());
    [
        Bind::texts(keys.clone().map(|key| key.map(IdempotencyKey::scope))),
        Bind::texts(keys.map(|key| key.map(IdempotencyKey::key))),
        Bind::texts(batches.map(|digest| digest.map(BatchDigest::as_str))),
    ]
}

#[async_trait]
impl OrderRepository for PgUnitOfWork {
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError> {
        let requests = orders.iter().map(|order| &order.request);
        let mut binds = vec![
            Bind::texts(requests.clone().map(|request| request.product_id.as_str())),
            Bind::integers(requests.map(|request| request.quantity.units())),
        ];
        let has_keys = orders.iter().any(|order| order.key.is_some());
        if has_keys {
            binds.extend(key_binds(orders));
        }
        let is_traced = orders.iter().any(|order| order.trace.is_some());
        if is_traced {
            let traces = orders.iter().map(|order| order.trace);
            let traces: Vec<_> = traces.map(|it| it.map(|it| it.to_string())).collect();
            binds.push(Bind::texts(traces.iter().map(Option::as_deref)));
        }
        let sql = match (has_keys, is_traced) {
            (true, true) => ACCEPT_TRACED,
            (true, false) => ACCEPT,
            (false, true) => ACCEPT_WITHOUT_KEYS_TRACED,
            (false, false) => ACCEPT_WITHOUT_KEYS,
        };
        let accepted: Vec<AcceptedRow> = self.load(sql, binds).await?;
        self.expect_rows("accepting orders", accepted.len(), orders.len())?;

        let taken: Vec<&IdempotencyKey> = orders
            .iter()
            .zip(&accepted)
            .filter(|(_, row)| row.id.is_none())
            .filter_map(|(order, _)| order.key.as_ref())
            .collect();
        let existing = if taken.is_empty() {
            HashMap::new()
        } else {
            self.orders_by_key(&taken).await?
        };
        orders
            .iter()
            .zip(accepted)
            .map(|(order, row)| match (row.id, row.created_at, &order.key) {
                (Some(id), Some(created_at), _) => Ok(Acceptance::Created(Order {
                    id: OrderId(id),
                    product_id: order.request.product_id.clone(),
                    quantity: order.request.quantity,
                    state: OrderState::Pending,
                    created_at,
                    updated_at: created_at,
                })),
                (_, _, Some(key)) => existing
                    .get(&(key.scope().to_owned(), key.key().to_owned()))
                    .map(|(existing, digest)| {
                        if *digest == order.batch {
                            Acceptance::Existing(existing.clone())
                        } else {
                            Acceptance::KeyReused
                        }
                    })
                    // The key conflicted in the insert but was pruned since: a retry can use it.
                    .ok_or_else(|| {
                        StoreError::Conflict("an idempotency key has just expired".to_owned())
                    }),
                (_, _, None) => Err(StoreError::Failed(
                    "an order without a key was not created".into(),
                )),
            })
            .collect()
    }

    async fn lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        // IS TRUE keeps the planner from using the index by status, with which it would scan all `PENDING` orders.
        const SQL: &str = "
SELECT id, product_id, quantity FROM orders
WHERE id = ANY($1) AND (status = 'PENDING') IS TRUE ORDER BY id FOR NO KEY UPDATE";
        storage_sql::pending_orders(self.load(SQL, vec![ids.into()]).await?)
    }

    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        let found = self.load(TRY_LOCK_PENDING, vec![ids.into()]).await?;
        storage_sql::pending_orders(found)
    }

    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError> {
        self.defer_settled(orders);
        self.flush().await
    }

    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError> {
        const LOCK: &str = "SELECT id AS number FROM orders WHERE id = $1 FOR NO KEY UPDATE";
        let found: Vec<NumberRow> = self.load(LOCK, vec![id.into()]).await?;
        if found.is_empty() {
            return Ok(None);
        }
        self.locked_order(id).await
    }

    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError> {
        const ORDER: &str = "
UPDATE orders SET status = $1, reason = $2, updated_at = clock_timestamp() WHERE id = $3";
        const RELEASED: &str = "DELETE FROM allocations WHERE order_id = $1";
        const SHIPPED: &str = "
UPDATE allocations SET shipped_at = clock_timestamp()
WHERE order_id = $1 AND vendor_id = ANY($2) AND shipped_at IS NULL";

        match state {
            OrderState::Cancelled => {
                self.execute(RELEASED, vec![id.into()]).await?;
            }
            OrderState::Confirmed(allocations) | OrderState::Shipped(allocations) => {
                let shipped = allocations.iter().filter(|allocation| allocation.shipped);
                let vendors = Bind::texts(shipped.map(|it| it.vendor_id.as_str()));
                self.execute(SHIPPED, vec![id.into(), vendors]).await?;
            }
            OrderState::Pending | OrderState::Rejected(_) | OrderState::Delivered(_) => {}
        }
        let reason = state.reject_reason().map(RejectReason::as_str);
        let binds = vec![state.status().as_str().into(), reason.into(), id.into()];
        let written = self.execute(ORDER, binds).await?;
        self.expect_rows("changing an order's status", written, 1)?;
        self.changes.order(id);
        let order = self.locked_order(id).await?;
        let order = order.ok_or_else(|| StoreError::Failed("a locked order was deleted".into()))?;
        storage_sql::expect_state(order, state)
    }

    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
DELETE FROM idempotency_keys WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency_keys WHERE created_at < $1
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
)";
        let pruned = self.execute(SQL, vec![before.into(), limit.into()]).await?;
        Ok(pruned as u64)
    }
}
