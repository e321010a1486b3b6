//! Tests that each page is read along an index in its order, so that its cost depends on the page size and not on the
//! number of rows.

use std::sync::Arc;

use clock_tokio::SystemClock;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl as _, SqliteConnection};

use super::*;
use crate::error::store_error;
use crate::options::SqliteOptions;

#[derive(QueryableByName)]
struct StepRow {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn plan(connection: &mut SqliteConnection, sql: &str) -> Result<Vec<String>, StoreError> {
    // The values do not affect the plan, which uses no statistics.
    let values = (1..=4).fold(sql.to_owned(), |sql, number| {
        sql.replace(&format!("${number}"), "'1'")
    });
    let explained = format!("EXPLAIN QUERY PLAN {values}");
    let steps: Vec<StepRow> = diesel::sql_query(explained)
        .load(connection)
        .map_err(store_error)?;
    Ok(steps.into_iter().map(|step| step.detail).collect())
}

#[test]
fn the_list_by_product_merges_every_status() {
    for status in OrderStatus::ALL {
        let condition = format!("status = '{}'", status.as_str());
        assert_eq!(BY_PRODUCT.matches(&condition).count(), 1, "{condition}");
    }
}

#[tokio::test]
async fn pages_are_read_along_an_index_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(folder.path().join("store.db"));
    let store = SqliteStore::open(&options, Arc::new(SystemClock)).unwrap();
    let expected = [
        (ONE, "SEARCH orders USING INTEGER PRIMARY KEY"),
        (SOME, "SEARCH orders USING INTEGER PRIMARY KEY"),
        (SETTLED, "SEARCH orders USING INTEGER PRIMARY KEY"),
        (LEVELS, "SEARCH stock USING PRIMARY KEY"),
        (ALL, "SEARCH orders USING INTEGER PRIMARY KEY"),
        (BY_STATUS, "SEARCH orders USING INDEX orders_by_status "),
        (BY_PRODUCT, "SEARCH orders USING INTEGER PRIMARY KEY"),
        (
            BY_PRODUCT,
            "SEARCH orders USING COVERING INDEX orders_pending_by_product (product_id=? AND rowid<?) ",
        ),
        (
            BY_PRODUCT,
            "SEARCH orders USING COVERING INDEX orders_settled_by_product (product_id=? AND status=? AND rowid<?) ",
        ),
        (
            PENDING_BY_PRODUCT,
            "SEARCH orders USING INDEX orders_pending_by_product (product_id=? AND rowid<?) ",
        ),
        (
            BY_BOTH,
            "SEARCH orders USING INDEX orders_settled_by_product (product_id=? AND status=? AND rowid<?) ",
        ),
        (STOCK, "SEARCH stock USING PRIMARY KEY"),
        (IN_STOCK, "SEARCH stock USING INDEX stock_in_stock "),
        (
            crate::sync_queries::PAGE,
            "SEARCH p USING INDEX vendor_stock_by_vendor (vendor_id=? AND product_id>?) ",
        ),
        (
            crate::sync_queries::PAGE,
            "SEARCH a USING INDEX allocations_shipped_not_known (vendor_id=? AND product_id=? AND shipped_at>?) ",
        ),
        (
            storage_sql::RUNS,
            "SEARCH vendor_runs USING INDEX vendor_runs_by_vendor (vendor_id=? AND rowid<?) ",
        ),
        (
            crate::runs::PRUNE,
            "SEARCH r USING COVERING INDEX vendor_runs_by_vendor (vendor_id=? AND rowid<?) ",
        ),
    ];
    for (sql, step) in expected {
        let steps = store
            .read(move |connection| plan(connection, sql))
            .await
            .unwrap();
        assert!(
            steps.iter().any(|it| format!("{it} ").starts_with(step)),
            "{sql}: {steps:?}"
        );
        // Only the rows of a page may be sorted, by vendor.
        let sorted_whole = |it: &String| it == "USE TEMP B-TREE FOR ORDER BY";
        assert!(!steps.iter().any(sorted_whole), "{sql}: {steps:?}");
        assert!(!steps.iter().any(|it| it.starts_with("SCAN orders")));
    }
}
