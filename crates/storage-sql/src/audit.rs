//! Audit rules whose queries are the same on every SQL store.
//!
//! The queries use only SQL that PostgreSQL and SQLite share. Each returns the columns `row_key` and `detail` of at most 1,000
//! rows that violate the rule.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use domain::ports::{AuditFinding, audit_rules};

/// A row that violates a rule.
#[derive(QueryableByName)]
pub struct FindingRow {
    #[diesel(sql_type = Text)]
    row_key: String,
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Converts the rows that violate a rule.
pub fn findings(rule: &'static str, rows: Vec<FindingRow>) -> impl Iterator<Item = AuditFinding> {
    rows.into_iter().map(move |row| AuditFinding {
        rule,
        row: row.row_key,
        detail: row.detail,
    })
}

/// The rules: the name of each, and its query.
pub const RULES: [(&str, &str); 8] = [
    (
        audit_rules::QUANTITY,
        "
SELECT s.product_id AS row_key,
       format('quantity is %s, the sum is %s', s.quantity, coalesce(total, 0)) AS detail
FROM stock s LEFT JOIN (
    SELECT product_id, sum(CASE WHEN reported > in_flight THEN reported - in_flight ELSE 0 END) AS total
    FROM vendor_stock JOIN vendor_syncs USING (vendor_id) WHERE configured AND NOT is_expired GROUP BY product_id
) p USING (product_id)
WHERE s.quantity <> coalesce(total, 0) ORDER BY 1 LIMIT 1000",
    ),
    (
        audit_rules::IN_FLIGHT,
        "
SELECT format('%s of %s', p.product_id, p.vendor_id) AS row_key,
       format('in_flight is %s, the sum is %s', p.in_flight, coalesce(total, 0)) AS detail
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
       format('%s with quantity %s has %s units allocated', o.status, o.quantity, coalesce(total, 0)) AS detail
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
SELECT format('order %s at %s', a.order_id, a.vendor_id) AS row_key,
       format('the product is %s, that of the order is %s', a.product_id, o.product_id) AS detail
FROM allocations a JOIN orders o ON o.id = a.order_id
WHERE a.product_id <> o.product_id ORDER BY a.order_id LIMIT 1000",
    ),
    (
        audit_rules::SHIPPED,
        "
SELECT format('order %s at %s', a.order_id, a.vendor_id) AS row_key,
       format('shipped_at is %s, the order is %s', coalesce(CAST(a.shipped_at AS TEXT), 'empty'), o.status) AS detail
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
       format('known_as_of is %s, the last report is of %s', a.known_as_of,
              coalesce(CAST(v.applied_as_of AS TEXT), 'never')) AS detail
FROM allocations a LEFT JOIN vendor_syncs v ON v.vendor_id = a.vendor_id
WHERE a.known_as_of IS NOT NULL AND (v.applied_as_of IS NULL OR a.known_as_of > v.applied_as_of)
ORDER BY a.order_id LIMIT 1000",
    ),
];
