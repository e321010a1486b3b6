//! The audit: recomputes every balance from orders and allocations (guarantee P7).

use async_trait::async_trait;
use deadpool::managed::Object;
use domain::ports::{AuditFinding, AuditQueries, StoreError, audit_rules};
use storage_sql::audit;

use crate::store::PgStore;

/// The rules of this store alone, in addition to [`audit::RULES`]: the name of each, and its query.
const RULES: [(&str, &str); 4] = [
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
        for (rule, sql) in audit::RULES.into_iter().chain(RULES) {
            findings.extend(audit::findings(rule, session.load(sql, Vec::new()).await?));
        }
        Ok(findings)
    }
}
