//! The audit: recomputes every balance from orders and allocations (guarantee P7).

use async_trait::async_trait;
use deadpool::managed::Object;
use diesel::QueryableByName;
use diesel::sql_types::Text;
use domain::ports::{AuditFinding, AuditQueries, StoreError, audit_rules};

use crate::store::PgStore;

#[derive(QueryableByName)]
struct FindingRow {
    #[diesel(sql_type = Text)]
    row_key: String,
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The rules: the name of each, and the query for the rows that violate it.
const RULES: [(&str, &str); 12] = [
    (
        audit_rules::QUANTITY,
        "
SELECT s.product_id AS row_key,
       format('quantity is %s, the sum is %s', s.quantity, coalesce(sum, 0)) AS detail
FROM stock s LEFT JOIN (
    SELECT product_id, sum(greatest(0, reported - in_flight)) AS sum
    FROM vendor_stock JOIN vendor_syncs USING (vendor_id) WHERE configured AND NOT is_expired GROUP BY product_id
) p USING (product_id)
WHERE s.quantity <> coalesce(sum, 0) ORDER BY 1 LIMIT 1000",
    ),
    (
        audit_rules::IN_FLIGHT,
        "
SELECT format('%s of %s', p.product_id, p.vendor_id) AS row_key,
       format('in_flight is %s, the sum is %s', p.in_flight, coalesce(sum, 0)) AS detail
FROM vendor_stock p LEFT JOIN (
    SELECT product_id, vendor_id, sum(quantity) AS sum FROM allocations
    WHERE known_as_of IS NULL GROUP BY product_id, vendor_id
) a USING (product_id, vendor_id)
WHERE p.in_flight <> coalesce(sum, 0) ORDER BY 1 LIMIT 1000",
    ),
    (
        audit_rules::ALLOCATED,
        "
SELECT o.id::text AS row_key,
       format('%s with quantity %s has %s units allocated', o.status, o.quantity, coalesce(sum, 0)) AS detail
FROM orders o LEFT JOIN (
    SELECT order_id, sum(quantity) AS sum FROM allocations GROUP BY order_id
) a ON a.order_id = o.id
WHERE coalesce(sum, 0) <> CASE WHEN o.status IN ('CONFIRMED', 'SHIPPED', 'DELIVERED') THEN o.quantity ELSE 0 END
ORDER BY o.id LIMIT 1000",
    ),
    (
        audit_rules::ALLOCATED_PRODUCT,
        "
SELECT format('order %s at %s', a.order_id, a.vendor_id) AS row_key,
       format('the product is %s, that of the order is %s', a.product_id, o.product_id) AS detail
FROM allocations a JOIN orders o ON o.id = a.order_id
WHERE a.product_id <> o.product_id ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::SHIPPED,
        "
SELECT format('order %s at %s', a.order_id, a.vendor_id) AS row_key,
       format('shipped_at is %s, the order is %s', coalesce(a.shipped_at::text, 'empty'), o.status) AS detail
FROM allocations a JOIN orders o ON o.id = a.order_id
WHERE CASE
    WHEN a.shipped_at IS NULL THEN o.status IN ('SHIPPED', 'DELIVERED')
    WHEN o.status = 'CONFIRMED' THEN NOT EXISTS (
        SELECT FROM allocations other WHERE other.order_id = o.id AND other.shipped_at IS NULL
    )
    ELSE o.status NOT IN ('SHIPPED', 'DELIVERED')
END ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::ALLOCATION_ORDER,
        "
SELECT format('order %s at %s', a.order_id, a.vendor_id) AS row_key,
       format('%s units of product %s are allocated, and the order does not exist', a.quantity, a.product_id) AS detail
FROM allocations a LEFT JOIN orders o ON o.id = a.order_id
WHERE o.id IS NULL ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::ALLOCATION_VENDOR_STOCK,
        "
SELECT format('order %s at %s', a.order_id, a.vendor_id) AS row_key,
       format('%s units of product %s are allocated, and the vendor has no stock row of it', a.quantity, a.product_id) AS detail
FROM allocations a LEFT JOIN vendor_stock p ON p.product_id = a.product_id AND p.vendor_id = a.vendor_id
WHERE p.product_id IS NULL ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::INCLUDED,
        "
SELECT format('order %s at %s', a.order_id, a.vendor_id) AS row_key,
       format('known_as_of is %s, the last report is of %s', a.known_as_of, coalesce(v.applied_as_of::text, 'never')) AS detail
FROM allocations a LEFT JOIN vendor_syncs v ON v.vendor_id = a.vendor_id
WHERE a.known_as_of IS NOT NULL AND (v.applied_as_of IS NULL OR a.known_as_of > v.applied_as_of)
ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::SHIPPED_LATER,
        "
SELECT format('order %s at %s', order_id, vendor_id) AS row_key, format('shipped_at is %s', shipped_at) AS detail
FROM allocations WHERE shipped_at > clock_timestamp() ORDER BY order_id LIMIT 1000",
    ),
    (
        audit_rules::PENDING,
        "
WITH waiting AS MATERIALIZED (SELECT unnest(order_ids) AS order_id FROM outbox)
SELECT id::text AS row_key,
       format('PENDING since %s, requeued %s times, last at %s', created_at, requeues, coalesce(requeued_at::text, 'never')) AS detail
FROM orders
WHERE status = 'PENDING'
  AND coalesce(requeued_at, created_at)
      < clock_timestamp() - interval '1 day' - interval '2 minutes' * power(2, least(requeues, 12))
  AND NOT EXISTS (SELECT FROM waiting WHERE waiting.order_id = orders.id)
  AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.order_id = orders.id)
ORDER BY id LIMIT 1000",
    ),
    (
        audit_rules::SEQUENCE,
        "
SELECT row_key, format('the next number is %s, the highest is %s', next, highest) AS detail
FROM (
    SELECT 'orders_id_seq' AS row_key, last_value + is_called::int AS next, (SELECT max(id) FROM orders) AS highest
    FROM orders_id_seq
  UNION ALL
    SELECT 'outbox_id_seq', last_value + is_called::int, (SELECT max(id) FROM outbox) FROM outbox_id_seq
) AS sequences
WHERE next <= highest ORDER BY 1",
    ),
    (
        audit_rules::OUTBOX_PRODUCT,
        "
SELECT b.id::text AS row_key,
       format('order %s has product %s in the entry and %s in the orders', i.order_id, i.product_id, coalesce(o.product_id, 'none')) AS detail
FROM outbox b CROSS JOIN unnest(b.order_ids, b.product_ids) AS i (order_id, product_id)
LEFT JOIN orders o ON o.id = i.order_id
WHERE o.product_id IS DISTINCT FROM i.product_id ORDER BY b.id, i.order_id LIMIT 1000",
    ),
];

#[async_trait]
impl AuditQueries for PgStore {
    async fn audit(&self) -> Result<Vec<AuditFinding>, StoreError> {
        // Uses a connection outside the pool, closed at the end: one snapshot for all rules, without the time limits of
        // use cases, and with sequential scans.
        let mut session = Object::take(self.session().await?);
        session
            .batch(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
                 SET LOCAL enable_seqscan = on",
            )
            .await?;
        let mut findings = Vec::new();
        for (rule, sql) in RULES {
            let found: Vec<FindingRow> = session.load(sql, Vec::new()).await?;
            findings.extend(found.into_iter().map(|row| AuditFinding {
                rule,
                row: row.row_key,
                detail: row.detail,
            }));
        }
        Ok(findings)
    }
}
