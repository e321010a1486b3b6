//! Orders inside a transaction.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::pg::data_types::PgTimestamp;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use domain::order::{Order, OrderState, OrderStatus};
use domain::ports::{Acceptance, NewOrder, OrderRepository, StoreError};
use domain::settlement::{Outcome, PendingOrder, SettledOrder};
use domain::timestamp::Timestamp;

use crate::changes::{self, with_change};
use crate::rows::{
    self, AllocationRow, OrderRow, OrderWithAllocationRow, PendingRow, from_pg, to_pg,
};
use crate::statement::Bind;
use crate::unit_of_work::PgUnitOfWork;

/// Inserts the outbox entry of created orders, and their change-log rows of at most `MAX_CHANGED_IDS` orders each.
macro_rules! with_outbox_and_changes {
    () => {
        "
), together AS (
    SELECT array_agg(id ORDER BY id) AS order_ids, array_agg(product_id ORDER BY id) AS product_ids
    FROM created HAVING count(*) > 0
), boxed AS (
    INSERT INTO outbox (order_ids, product_ids) SELECT order_ids, product_ids FROM together
), logged AS (
    INSERT INTO changes (order_ids)
    SELECT order_ids[first : first + 1023]
    FROM together CROSS JOIN generate_series(1, cardinality(order_ids), 1024) AS first
)"
    };
}

/// Keys are inserted in a fixed order, so that two batches that share several keys cannot deadlock.
const ACCEPT: &str = concat!(
    r#"
WITH input AS MATERIALIZED (
    SELECT position, nextval('orders_id_seq') AS id, product_id, quantity, scope, key, batch_digest
    FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS i (product_id, quantity, scope, key, batch_digest, position)
), won AS (
    INSERT INTO idempotency_keys (scope, key, order_id, batch_digest)
    SELECT scope, key, id, batch_digest FROM input WHERE key IS NOT NULL
    ORDER BY scope COLLATE "C", key COLLATE "C", position
    ON CONFLICT DO NOTHING
    RETURNING order_id
), created AS (
    INSERT INTO orders (id, product_id, quantity)
    SELECT id, product_id, quantity FROM input
    WHERE key IS NULL OR id IN (SELECT order_id FROM won)
    ORDER BY position
    RETURNING id, product_id, created_at"#,
    with_outbox_and_changes!(),
    "
SELECT created.id, created.created_at
FROM input LEFT JOIN created USING (id) ORDER BY input.position"
);

/// Without keys every order is created, so no join is needed: ids rise in the order of the input.
const ACCEPT_WITHOUT_KEYS: &str = concat!(
    "
WITH created AS (
    INSERT INTO orders (id, product_id, quantity)
    SELECT nextval('orders_id_seq'), product_id, quantity
    FROM (
        SELECT * FROM unnest($1, $2) WITH ORDINALITY AS i (product_id, quantity, position) ORDER BY position
    ) AS input
    RETURNING id, product_id, created_at",
    with_outbox_and_changes!(),
    "
SELECT id, created_at FROM created ORDER BY id"
);

#[derive(QueryableByName)]
struct AcceptedRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    created_at: Option<PgTimestamp>,
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
    order: OrderWithAllocationRow,
}

/// Orders and allocations in one statement: with two, a cancellation in between would show an order without one or the
/// other. The keys must be distinct: a duplicate key would return the allocations of its order twice.
const FIND_BY_KEY: &str = "
SELECT k.scope, k.key, k.batch_digest, o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
       a.vendor_id, a.quantity AS allocated, a.shipped_at IS NOT NULL AS shipped
FROM (SELECT DISTINCT * FROM unnest($1, $2) AS i (scope, key)) i
JOIN idempotency_keys k ON k.scope = i.scope AND k.key = i.key
JOIN orders o ON o.id = k.order_id
LEFT JOIN allocations a ON a.order_id = o.id
ORDER BY o.id, a.vendor_id";

const ALLOCATIONS_OF: &str = "
SELECT order_id, vendor_id, quantity, shipped_at IS NOT NULL AS shipped FROM allocations
WHERE order_id = ANY($1) ORDER BY order_id, vendor_id";

impl PgUnitOfWork {
    async fn with_allocations(&mut self, found: Vec<OrderRow>) -> Result<Vec<Order>, StoreError> {
        let ids = found.iter().map(|row| row.id).collect();
        let allocations: Vec<AllocationRow> =
            self.load(ALLOCATIONS_OF, vec![Bind::BigInts(ids)]).await?;
        rows::orders(found, allocations)
    }

    /// Returns the order of each key, by scope and key, and the digest of the batch if the key belongs to a batch.
    async fn orders_by_key(
        &mut self,
        keys: &[&IdempotencyKey],
    ) -> Result<HashMap<(String, String), (Order, Option<BatchDigest>)>, StoreError> {
        let binds = vec![
            Bind::Texts(keys.iter().map(|key| key.scope().to_owned()).collect()),
            Bind::Texts(keys.iter().map(|key| key.key().to_owned()).collect()),
        ];
        let found: Vec<KeyRow> = self.load(FIND_BY_KEY, binds).await?;
        let mut names = Vec::with_capacity(found.len());
        let mut joined = Vec::with_capacity(found.len());
        for row in found {
            if joined
                .last()
                .is_none_or(|last: &OrderWithAllocationRow| last.order.id != row.order.order.id)
            {
                let digest = storage_sql::batch_digest(row.batch_digest, row.order.order.id)?;
                names.push(((row.scope, row.key), digest));
            }
            joined.push(row.order);
        }
        let orders = rows::joined_orders(joined)?;
        let found = names.into_iter().zip(orders);
        Ok(found
            .map(|((name, digest), order)| (name, (order, digest)))
            .collect())
    }
}

/// Returns the scopes, keys and batch digests.
fn key_binds(orders: &[NewOrder]) -> [Bind; 3] {
    let of_key = |part: fn(&IdempotencyKey) -> &str| {
        let keys = orders.iter().map(|order| order.key.as_ref());
        Bind::OptionalTexts(keys.map(|key| key.map(part).map(str::to_owned)).collect())
    };
    let batches = orders.iter().map(|order| order.batch.as_ref());
    let digests = batches.map(|digest| digest.map(|it| it.as_str().to_owned()));
    [
        of_key(IdempotencyKey::scope),
        of_key(IdempotencyKey::key),
        Bind::OptionalTexts(digests.collect()),
    ]
}

#[async_trait]
impl OrderRepository for PgUnitOfWork {
    async fn accept(&mut self, orders: &[NewOrder]) -> Result<Vec<Acceptance>, StoreError> {
        let products = orders
            .iter()
            .map(|order| order.request.product_id.as_str().to_owned())
            .collect();
        let quantities = orders
            .iter()
            .map(|order| order.request.quantity.units().cast_signed())
            .collect();
        let mut binds = vec![Bind::Texts(products), Bind::Integers(quantities)];
        let sql = if orders.iter().any(|order| order.key.is_some()) {
            binds.extend(key_binds(orders));
            ACCEPT
        } else {
            ACCEPT_WITHOUT_KEYS
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
                    created_at: from_pg(created_at),
                    updated_at: from_pg(created_at),
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
        let ids = ids.iter().map(|id| id.0).collect();
        let found: Vec<PendingRow> = self.load(SQL, vec![Bind::BigInts(ids)]).await?;
        found.into_iter().map(PendingOrder::try_from).collect()
    }

    async fn try_lock_pending(&mut self, ids: &[OrderId]) -> Result<Vec<PendingOrder>, StoreError> {
        const SQL: &str = "
SELECT id, product_id, quantity FROM orders
WHERE id = ANY($1) AND (status = 'PENDING') IS TRUE ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";
        let ids = ids.iter().map(|id| id.0).collect();
        let found: Vec<PendingRow> = self.load(SQL, vec![Bind::BigInts(ids)]).await?;
        found.into_iter().map(PendingOrder::try_from).collect()
    }

    async fn save_settled(&mut self, orders: &[SettledOrder]) -> Result<(), StoreError> {
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
        let (mut order_ids, mut vendors, mut products, mut quantities) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for order in orders {
            let outcome = match &order.outcome {
                Outcome::Rejected(reason) => {
                    (OrderStatus::Rejected.as_str(), Some(reason.as_str()))
                }
                Outcome::Confirmed(allocations) => {
                    for allocation in allocations {
                        order_ids.push(order.id.0);
                        vendors.push(allocation.vendor_id.as_str().to_owned());
                        products.push(order.product_id.as_str().to_owned());
                        quantities.push(allocation.quantity.units().cast_signed());
                    }
                    (OrderStatus::Confirmed.as_str(), None)
                }
            };
            decided.entry(outcome).or_default().push(order.id.0);
        }
        let mut entries = self.changes.settled(orders);
        let mut along = entries.pop();
        self.write_changes(&entries).await?;
        for ((status, reason), ids) in decided {
            let expected = ids.len();
            let (sql, mut binds) = match along.take() {
                Some(entry) => (DECIDED_AND_LOGGED, changes::binds(&entry)),
                None => (DECIDED, Vec::new()),
            };
            binds.extend([
                Bind::Text(status.to_owned()),
                Bind::OptionalText(reason.map(str::to_owned)),
                Bind::BigInts(ids),
            ]);
            let written = self.execute(sql, binds).await?;
            self.expect_rows("settling orders", written, expected)?;
        }
        if order_ids.is_empty() {
            return Ok(());
        }
        let expected = order_ids.len();
        let binds = vec![
            Bind::BigInts(order_ids),
            Bind::Texts(vendors),
            Bind::Texts(products),
            Bind::Integers(quantities),
        ];
        let written = self.execute(ALLOCATIONS, binds).await?;
        self.expect_rows("allocating", written, expected)
    }

    async fn lock_order(&mut self, id: OrderId) -> Result<Option<Order>, StoreError> {
        const SQL: &str = "
SELECT id, product_id, quantity, status, reason, created_at, updated_at FROM orders
WHERE id = $1 FOR NO KEY UPDATE";
        let found: Vec<OrderRow> = self.load(SQL, vec![Bind::BigInt(id.0)]).await?;
        if found.is_empty() {
            return Ok(None);
        }
        Ok(self.with_allocations(found).await?.pop())
    }

    async fn save_state(&mut self, id: OrderId, state: &OrderState) -> Result<Order, StoreError> {
        const ORDER: &str = "
UPDATE orders SET status = $1, reason = $2, updated_at = clock_timestamp() WHERE id = $3
RETURNING id, product_id, quantity, status, reason, created_at, updated_at";
        const RELEASED: &str = "DELETE FROM allocations WHERE order_id = $1";
        const SHIPPED: &str = "
UPDATE allocations SET shipped_at = clock_timestamp()
WHERE order_id = $1 AND vendor_id = ANY($2) AND shipped_at IS NULL";

        match state {
            OrderState::Cancelled => {
                self.execute(RELEASED, vec![Bind::BigInt(id.0)]).await?;
            }
            OrderState::Confirmed(allocations) | OrderState::Shipped(allocations) => {
                let shipped = allocations.iter().filter(|allocation| allocation.shipped);
                let vendors = shipped.map(|allocation| allocation.vendor_id.as_str().to_owned());
                let binds = vec![Bind::BigInt(id.0), Bind::Texts(vendors.collect())];
                self.execute(SHIPPED, binds).await?;
            }
            OrderState::Pending | OrderState::Rejected(_) | OrderState::Delivered(_) => {}
        }
        let binds = vec![
            Bind::Text(state.status().as_str().to_owned()),
            Bind::OptionalText(
                state
                    .reject_reason()
                    .map(|reason| reason.as_str().to_owned()),
            ),
            Bind::BigInt(id.0),
        ];
        let written: Vec<OrderRow> = self.load(ORDER, binds).await?;
        self.expect_rows("changing an order's status", written.len(), 1)?;
        self.changes.order(id);
        let order = self.with_allocations(written).await?.pop();
        let order = order.ok_or_else(|| StoreError::Failed("a locked order was deleted".into()))?;
        storage_sql::expect_state(order, state)
    }

    async fn prune_keys(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        const SQL: &str = "
DELETE FROM idempotency_keys WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency_keys WHERE created_at < $1
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
)";
        let binds = vec![
            Bind::Timestamp(to_pg(before)),
            Bind::BigInt(i64::from(limit)),
        ];
        self.execute(SQL, binds).await.map(|rows| rows as u64)
    }
}
