//! Rows, statements and bind values of the SQL stores, and the conversion of rows to domain values.
//!
//! The row types are generic over the backend, so that all SQL adapters read and interpret rows identically; the adapters
//! have the connections and run the statements. A value that no version of this program writes is reported by table,
//! column and row.

pub mod audit;
mod columns;
mod dead_letters;
mod history;
mod in_flight;
mod instant;
mod orders;
mod paging;
mod pause;
mod quarantine;
mod reported;
mod runs;
mod scalars;
mod statement;
mod stock;
mod sync_state;
mod transfer;
mod unreadable;
mod validators;
mod vendor_set;
mod vendors;

use std::iter;

use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::ports::{Changed, QueuedOrder, StoreError};
use domain::trace::SpanContext;

pub use dead_letters::{DEAD_LETTERS, DeadLetterRow, dead_letters};
pub use history::{SAVE_EVIDENCE, SAVE_ORDERS, StoredHistory, StoredProof};
pub use in_flight::{InFlightRow, in_flight};
pub use instant::Instant;
pub use orders::{
    OrderRow, PendingRow, QueuedRow, each_order, expect_state, orders, pending_orders, requeued,
};
pub use paging::{page_start, readable_page};
pub use pause::{
    END_OPERATOR_PAUSE, FIND_OPERATOR_PAUSE, OperatorPauseRow, PauseRow, SAVE_PAUSE,
    StoredPauseRow, operator_pause, stored_pause, vendor_pause,
};
pub use quarantine::{
    COUNT_QUARANTINED_LINES, QUARANTINED_LINES, QuarantinedLineRow, StoredQuarantine,
    quarantined_lines, quarantined_lines_binds, removed_lines_binds,
};
pub use reported::{
    IncludedRow, REPORTED_TOTALS, ReportedRow, ReportedTotalsRow, each_reported, included_units,
    reported_totals,
};
pub use runs::{
    ADD_NOTE_TO_RUN, ADD_NOTE_TO_SYNC, RECORD_RUN, RUNS, RunRow, each_run, note_binds, run_binds,
};
pub use scalars::{
    FlagRow, InstantRow, NumberRow, ProductIdRow, TextRow, count, first, flag, instant, product_ids,
};
pub use statement::{Bind, Statement};
pub use stock::{ProductRow, StockRow, VendorStockRow, each_level, product_detail, product_stock};
pub use sync_state::{HistoryRow, SyncStateRow, locked_vendor, sync_state};
pub use transfer::{
    KEYS, KeyRow, OrderRecordRow, batch_digest, key_records, order_records, product_records,
};
pub use unreadable::UnreadableRows;
pub use vendor_set::{
    FirstSyncsRow, MEMBERS, MemberRow, RecordRow, RenameRow, SOURCE_OF, SOURCES, SetRow, SourceRow,
    SwitchedRow, first_syncs, rename_obstacle, set_record, stored_vendor_set, switched_vendors,
    vendor_source, vendor_sources,
};
pub use vendors::{StatusRow, VENDORS, VendorRow, vendor_records, vendor_status};

/// Creates the error for a value of this row that cannot be read, for `map_err`.
pub fn corrupt<E>(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
) -> impl FnOnce(E) -> StoreError {
    move |_| StoreError::Corrupt {
        table,
        column,
        row: row.to_string(),
    }
}

/// Parses a product id of `table`.
pub fn product_id(text: String, table: &'static str) -> Result<ProductId, StoreError> {
    ProductId::parse_stored(text.as_str()).map_err(corrupt(table, "product_id", text))
}

/// Parses the orders of outbox entry `id` from its lists. `None` represents a value that is not an id. `traceparents` has one
/// value per order, or is empty if no order is traced; a value that cannot be read only ends the trace.
pub fn queued_orders(
    id: i64,
    order_ids: Vec<Option<i64>>,
    product_ids: Vec<Option<String>>,
    traceparents: Vec<Option<String>>,
) -> Result<Vec<QueuedOrder>, StoreError> {
    if order_ids.is_empty() || order_ids.len() != product_ids.len() {
        return Err(corrupt("outbox", "order_ids", id)(()));
    }
    let traceparents = traceparents.into_iter().chain(iter::repeat(None));
    let each = order_ids.into_iter().zip(product_ids).zip(traceparents);
    each.map(|((order_id, product_id), traceparent)| {
        let order_id = order_id.ok_or(());
        let product_id = product_id.and_then(|product_id| ProductId::parse_stored(product_id).ok());
        Ok(QueuedOrder {
            order_id: OrderId(order_id.map_err(corrupt("outbox", "order_ids", id))?),
            product_id: product_id
                .ok_or(())
                .map_err(corrupt("outbox", "product_ids", id))?,
            trace: traceparent.and_then(|text| SpanContext::parse_recorded(&text)),
        })
    })
    .collect()
}

/// Parses a vendor id of `table`.
pub fn vendor_id(text: String, table: &'static str) -> Result<VendorId, StoreError> {
    VendorId::parse(text.as_str()).map_err(corrupt(table, "vendor_id", text))
}

/// Converts a count that a CHECK keeps from being negative.
pub fn units(
    number: i32,
    table: &'static str,
    column: &'static str,
    row: impl ToString,
) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(corrupt(table, column, row))
}

/// Parses the readable ids of one entry of the change log. `None` represents a value that is not an id.
pub fn changed(
    order_ids: impl IntoIterator<Item = Option<i64>>,
    product_ids: impl IntoIterator<Item = Option<String>>,
    entry: &dyn ToString,
    unreadable: &UnreadableRows,
) -> Result<Changed, StoreError> {
    let entry = entry.to_string();
    let unknown = |column| corrupt("changes", column, entry.clone());
    let order_ids = order_ids.into_iter();
    let order_ids = order_ids.map(|id| id.map(OrderId).ok_or(()).map_err(unknown("order_ids")));
    let product_ids = product_ids.into_iter().map(|id| {
        let id = id.and_then(|id| ProductId::parse_stored(id).ok());
        id.ok_or(()).map_err(unknown("product_ids"))
    });
    Ok(Changed {
        order_ids: unreadable.leave_out(order_ids)?,
        product_ids: unreadable.leave_out(product_ids)?,
    })
}

/// Groups the rows of a join, sorted by parent, into parents with their children.
fn grouped<P, C>(
    joined: impl IntoIterator<Item = (P, Option<C>)>,
    is_same: impl Fn(&P, &P) -> bool,
) -> Vec<(P, Vec<C>)> {
    let mut groups: Vec<(P, Vec<C>)> = Vec::new();
    for (parent, child) in joined {
        match groups.last_mut() {
            Some((last, children)) if is_same(last, &parent) => children.extend(child),
            _ => groups.push((parent, child.into_iter().collect())),
        }
    }
    groups
}
