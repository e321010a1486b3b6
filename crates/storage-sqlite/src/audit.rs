//! Recomputing every balance from orders and allocations (promise P7).

use async_trait::async_trait;
use diesel::sql_types::Text;
use diesel::{QueryableByName, SqliteConnection};
use domain::ports::{AuditFinding, AuditQueries, StoreError, audit_rules};

use crate::statement;
use crate::store::SqliteStore;

#[derive(QueryableByName)]
struct FindingRow {
    #[diesel(sql_type = Text)]
    row_key: String,
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Each rule: what must hold, and the query for the rows for which it does not.
const RULES: [(&str, &str); 6] = [
    (
        audit_rules::QUANTITY,
        "
SELECT s.product_id AS row_key,
       format('quantity is %d, the sum is %d', s.quantity, coalesce(total, 0)) AS detail
FROM stock s LEFT JOIN (
    SELECT product_id, sum(max(0, reported - in_flight)) AS total
    FROM vendor_stock JOIN vendor_syncs USING (vendor_id) WHERE configured GROUP BY product_id
) p USING (product_id)
WHERE s.quantity <> coalesce(total, 0) ORDER BY 1 LIMIT 1000",
    ),
    (
        audit_rules::IN_FLIGHT,
        "
SELECT format('%s of %s', p.product_id, p.vendor_id) AS row_key,
       format('in_flight is %d, the sum is %d', p.in_flight, coalesce(total, 0)) AS detail
FROM vendor_stock p LEFT JOIN (
    SELECT product_id, vendor_id, sum(quantity) AS total FROM allocations
    WHERE known_as_of IS NULL GROUP BY product_id, vendor_id
) a USING (product_id, vendor_id)
WHERE p.in_flight <> coalesce(total, 0) ORDER BY 1 LIMIT 1000",
    ),
    (
        audit_rules::ALLOCATED,
        "
SELECT CAST(o.id AS TEXT) AS row_key,
       format('%s with quantity %d has %d units allocated', o.status, o.quantity, coalesce(total, 0)) AS detail
FROM orders o LEFT JOIN (
    SELECT order_id, sum(quantity) AS total FROM allocations GROUP BY order_id
) a ON a.order_id = o.id
WHERE coalesce(total, 0)
      <> CASE WHEN o.status IN ('CONFIRMED', 'SHIPPED', 'DELIVERED') THEN o.quantity ELSE 0 END
ORDER BY o.id LIMIT 1000",
    ),
    (
        audit_rules::ALLOCATED_PRODUCT,
        "
SELECT format('order %d at %s', a.order_id, a.vendor_id) AS row_key,
       format('it is of product %s, the order of %s', a.product_id, o.product_id) AS detail
FROM allocations a JOIN orders o ON o.id = a.order_id
WHERE a.product_id <> o.product_id ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::SHIPPED,
        "
SELECT format('order %d at %s', a.order_id, a.vendor_id) AS row_key,
       format('shipped_at is %s, the order is %s', coalesce(a.shipped_at, 'empty'), o.status) AS detail
FROM allocations a JOIN orders o ON o.id = a.order_id
WHERE CASE
    WHEN a.shipped_at IS NULL THEN o.status IN ('SHIPPED', 'DELIVERED')
    WHEN o.status = 'CONFIRMED' THEN NOT EXISTS (
        SELECT 1 FROM allocations other WHERE other.order_id = o.id AND other.shipped_at IS NULL
    )
    ELSE o.status NOT IN ('SHIPPED', 'DELIVERED')
END ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::OUTBOX_PRODUCT,
        "
SELECT CAST(b.id AS TEXT) AS row_key,
       format('it has order %d as of product %s, which is of %s', i.value, p.value, coalesce(o.product_id, 'none')) AS detail
FROM outbox b, json_each(b.order_ids) i JOIN json_each(b.product_ids) p ON p.key = i.key
LEFT JOIN orders o ON o.id = i.value
WHERE o.product_id IS NOT p.value ORDER BY b.id, i.key LIMIT 1000",
    ),
];

fn check_all(connection: &mut SqliteConnection) -> Result<Vec<AuditFinding>, StoreError> {
    let mut findings = Vec::new();
    for (rule, sql) in RULES {
        let found: Vec<FindingRow> = statement::load(connection, sql, [])?;
        findings.extend(found.into_iter().map(|row| AuditFinding {
            rule,
            row: row.row_key,
            detail: row.detail,
        }));
    }
    Ok(findings)
}

#[async_trait]
impl AuditQueries for SqliteStore {
    async fn audit(&self) -> Result<Vec<AuditFinding>, StoreError> {
        self.read_at_once(check_all).await
    }
}
