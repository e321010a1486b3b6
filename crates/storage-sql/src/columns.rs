//! Column lists and queries that the SQL stores share, as macros, because statements are literals.

/// Columns of an order with one of its allocations, from `orders o LEFT JOIN allocations a`.
#[macro_export]
macro_rules! order_columns {
    () => {
        "o.id, o.product_id, o.quantity, o.status, o.reason, o.created_at, o.updated_at,
    a.vendor_id, a.quantity AS allocated, a.shipped_at"
    };
}

/// Columns of the history of a vendor's reports, from `vendor_syncs v LEFT JOIN vendor_evidence e`.
#[macro_export]
macro_rules! history_columns {
    () => {
        "v.configured_at, v.applied_as_of, e.applied_requested_at, v.full_as_of, e.full_requested_at,
    e.completed_requested_at, e.as_of, e.evidence, e.no_evidence, e.clock_skew_ms, e.claims, e.quarantined, e.held,
    e.held_reason, e.held_document, e.revision, e.validators"
    };
}

/// Query for a vendor's stock rows, each with its oldest shipment that no report includes: the first entry of a partial index.
/// Takes the vendor id as `$1`, and the remaining condition.
#[macro_export]
macro_rules! reported_stock {
    ($condition:literal) => {
        concat!(
            "
SELECT p.product_id, p.reported, p.as_of, p.requested_at, (
    SELECT min(a.shipped_at) FROM allocations a
    WHERE a.vendor_id = p.vendor_id AND a.product_id = p.product_id
      AND a.shipped_at IS NOT NULL AND a.known_as_of IS NULL
) AS oldest_shipment
FROM vendor_stock p WHERE p.vendor_id = $1 AND ",
            $condition
        )
    };
}
