//! The audit: recomputes every balance from orders and allocations (guarantee P7).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::SqliteConnection;
use domain::ports::{AuditFinding, AuditQueries, StoreError, audit_rules, longest_pending};
use domain::timestamp::Timestamp;
use storage_sql::audit::{self, FindingRow, findings};

use crate::statement;
use crate::store::SqliteStore;

/// The rules of this store alone, in addition to [`audit::RULES`]: the name of each, and its query.
const RULES: [(&str, &str); 3] = [
    (
        audit_rules::SEQUENCE,
        "
SELECT row_key, format('the last number is %d, the highest is %d', last, highest) AS detail
FROM (
    SELECT 'outbox' AS row_key, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0) AS last,
           (SELECT max(id) FROM outbox) AS highest
  UNION ALL
    SELECT 'changes', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0),
           (SELECT max(id) FROM changes)
)
WHERE last < highest ORDER BY 1",
    ),
    (
        audit_rules::REFERENCES,
        "
SELECT format('%s %s', \"table\", coalesce(rowid, '')) AS row_key,
       format('the referenced row of %s does not exist', parent) AS detail
FROM pragma_foreign_key_check ORDER BY 1 LIMIT 1000",
    ),
    (
        audit_rules::OUTBOX_PRODUCT,
        "
SELECT CAST(b.id AS TEXT) AS row_key,
       format('order %d has product %s in the entry and %s in the orders', i.value, p.value, coalesce(o.product_id, 'none')) AS detail
FROM outbox b, json_each(b.order_ids) i JOIN json_each(b.product_ids) p ON p.key = i.key
LEFT JOIN orders o ON o.id = i.value
WHERE o.product_id IS NOT p.value ORDER BY b.id, i.key LIMIT 1000",
    ),
];

/// The rules that depend on the current time.
const SHIPPED_LATER: &str = "
SELECT format('order %d at %s', order_id, vendor_id) AS row_key, format('shipped_at is %d', shipped_at) AS detail
FROM allocations WHERE shipped_at > $1 ORDER BY order_id LIMIT 1000";

const PENDING: &str = "
SELECT CAST(id AS TEXT) AS row_key,
       format('PENDING since %d, requeued %d times, last at %s', created_at, requeues, coalesce(requeued_at, 'no time')) AS detail
FROM orders
WHERE status = 'PENDING' AND coalesce(requeued_at, created_at) < $1 - $2 * (1 << min(requeues, 12))
  AND id NOT IN (SELECT i.value FROM outbox, json_each(outbox.order_ids) i WHERE i.value IS NOT NULL)
  AND id NOT IN (SELECT order_id FROM dead_letters)
ORDER BY id LIMIT 1000";

const INTEGRITY: &str = "
SELECT 'the file' AS row_key, integrity_check AS detail FROM pragma_integrity_check WHERE integrity_check <> 'ok'";

fn check_rules(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Vec<AuditFinding>, StoreError> {
    let mut all = Vec::new();
    for (rule, sql) in audit::RULES.into_iter().chain(RULES) {
        all.extend(findings(
            rule,
            statement::load(connection, sql, Vec::new())?,
        ));
    }
    let later = statement::load(connection, SHIPPED_LATER, vec![now.into()])?;
    all.extend(findings(audit_rules::SHIPPED_LATER, later));
    // Two parts: the first is the same for all orders, the second doubles with each requeue.
    let pause = longest_pending(0).saturating_sub(Duration::from_hours(24));
    let before = now.minus(Duration::from_hours(24));
    let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
    let pending = statement::load(connection, PENDING, vec![before.into(), pause.into()])?;
    all.extend(findings(audit_rules::PENDING, pending));
    Ok(all)
}

fn check_all(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Vec<AuditFinding>, StoreError> {
    let mut damage: Vec<AuditFinding> = match statement::load(connection, INTEGRITY, Vec::new()) {
        Ok(found) => findings(audit_rules::INTEGRITY, found).collect(),
        // The check itself fails on some damage (SQLite 3.50) with the text of SQLITE_CORRUPT.
        Err(error) if error.to_string().contains("disk image is malformed") => vec![AuditFinding {
            rule: audit_rules::INTEGRITY,
            row: "the file".to_owned(),
            detail: error.to_string(),
        }],
        Err(error) => return Err(error),
    };
    match check_rules(connection, now) {
        Ok(found) => damage.extend(found),
        // The damage that makes the rules fail has already been reported.
        Err(_) if !damage.is_empty() => {}
        Err(error) => return Err(error),
    }
    Ok(damage)
}

#[async_trait]
impl AuditQueries for SqliteStore {
    async fn audit(&self) -> Result<Vec<AuditFinding>, StoreError> {
        let clock = Arc::clone(&self.shared().clock);
        self.read_at_once(move |connection| {
            // The first read takes the snapshot, so `now` is not earlier than anything in the snapshot.
            let _: Vec<FindingRow> = statement::load(connection, SNAPSHOT, Vec::new())?;
            check_all(connection, clock.now())
        })
        .await
    }
}

const SNAPSHOT: &str = "
SELECT vendor_id AS row_key, '' AS detail FROM vendor_syncs LIMIT 1";
