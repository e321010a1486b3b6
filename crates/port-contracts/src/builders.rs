//! Builders of domain values for tests.

use std::num::{NonZeroU8, NonZeroU64, NonZeroU128};

use domain::evidence::{ReportOrder, ResponseTimes};
use domain::identifiers::{BatchDigest, IdempotencyKey, ProductId, VendorId};
use domain::order::{Allocation, OrderRequest};
use domain::ports::{FetchedReport, NewOrder};
use domain::quantity::Quantity;
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::timestamp::Timestamp;
use domain::trace::SpanContext;
use domain::vendor_set::{ConfiguredVendor, VendorSet, VendorSource};

/// Returns the product id `id`.
#[must_use]
pub fn product(id: &str) -> ProductId {
    ProductId::parse_stored(id).unwrap()
}

/// Returns the vendor id `id`.
#[must_use]
pub fn vendor(id: &str) -> VendorId {
    VendorId::parse(id).unwrap()
}

/// Returns the vendor ids `ids`.
#[must_use]
pub fn vendors(ids: &[&str]) -> Vec<VendorId> {
    ids.iter().map(|id| vendor(id)).collect()
}

/// Returns configured vendors, each with its own feed.
#[must_use]
pub fn configured(ids: &[&str]) -> Vec<ConfiguredVendor> {
    ids.iter().map(|id| with_feed(vendor(id))).collect()
}

/// Returns a configured vendor with its own feed.
#[must_use]
pub fn with_feed(vendor_id: VendorId) -> ConfiguredVendor {
    ConfiguredVendor {
        source: Some(
            VendorSource::new("http://vendors.test/", Some(vendor_id.as_str()), "").unwrap(),
        ),
        vendor_id,
    }
}

/// Returns a set of vendors, each with its own feed.
#[must_use]
pub fn vendor_set(ids: &[&str]) -> VendorSet {
    configured(ids).into_iter().collect()
}

/// Returns a quantity of `units` units.
#[must_use]
pub fn quantity(units: u32) -> Quantity {
    Quantity::parse(i64::from(units)).unwrap()
}

/// Returns the idempotency key `key` of the caller `scope`.
#[must_use]
pub fn key(scope: &str, key: &str) -> IdempotencyKey {
    IdempotencyKey::parse(scope, key).unwrap()
}

/// Returns a request for `units` units of a product.
#[must_use]
pub fn request(product_id: &str, units: u32) -> OrderRequest {
    OrderRequest {
        product_id: product(product_id),
        quantity: quantity(units),
    }
}

/// Returns the orders of a batch as the batcher passes them to the store: one unit of each product, with the key and the
/// digest of the batch.
#[must_use]
pub fn batch(name: &str, digest: &str, product_ids: &[&str]) -> Vec<NewOrder> {
    let name = key("", name);
    let items = product_ids.iter().enumerate();
    items
        .map(|(index, product_id)| NewOrder {
            key: Some(match index {
                0 => name.clone(),
                _ => name.of_item(index),
            }),
            batch: (index == 0).then(|| BatchDigest::parse(digest).unwrap()),
            ..new_order(product_id, 1)
        })
        .collect()
}

/// Returns a span of a recorded trace; `number` is its id and that of the trace.
#[must_use]
pub fn span_context(number: u8) -> SpanContext {
    let number = NonZeroU8::new(number).unwrap();
    SpanContext {
        trace_id: NonZeroU128::from(number),
        span_id: NonZeroU64::from(number),
    }
}

/// Returns an order to accept, without an idempotency key.
#[must_use]
pub fn new_order(product_id: &str, units: u32) -> NewOrder {
    NewOrder {
        request: request(product_id, units),
        key: None,
        batch: None,
        trace: None,
    }
}

/// Returns an order to accept, with an idempotency key of the unnamed caller.
#[must_use]
pub fn keyed_order(product_id: &str, units: u32, name: &str) -> NewOrder {
    NewOrder {
        request: request(product_id, units),
        key: Some(key("", name)),
        batch: None,
        trace: None,
    }
}

/// Returns an allocation of `units` units from one vendor.
#[must_use]
pub fn allocation(vendor_id: &str, units: u32) -> Allocation {
    Allocation::new(vendor(vendor_id), quantity(units))
}

/// Returns a full report without its own as-of.
#[must_use]
pub fn full(lines: &[(&str, u32)]) -> Report {
    report(ReportKind::Full, None, lines)
}

/// Returns a full report with the as-of `as_of`.
#[must_use]
pub fn full_as_of(as_of: Timestamp, lines: &[(&str, u32)]) -> Report {
    report(ReportKind::Full, Some(as_of), lines)
}

/// Returns a delta report without its own as-of.
#[must_use]
pub fn delta(lines: &[(&str, u32)]) -> Report {
    report(ReportKind::Delta, None, lines)
}

/// Returns the ordering of a report that was requested at its as-of.
#[must_use]
pub fn order_at(as_of: Timestamp) -> ReportOrder {
    ReportOrder {
        as_of,
        requested_at: as_of,
    }
}

/// Returns the report as a feed fetches it. Its only time is its own as-of, or `now` if it has none.
#[must_use]
pub fn fetched(report: &Report, now: Timestamp) -> FetchedReport {
    let lines = report.quantities().iter();
    let lines = lines.map(|(product_id, units)| (product_id.clone(), i64::from(*units)));
    let as_of = report.as_of().or(Some(now));
    FetchedReport {
        report: Report::parse(report.kind(), as_of, lines).unwrap(),
        times: ResponseTimes::default(),
        size: ReportSize::default(),
        file: None,
        read_file: None,
    }
}

fn report(kind: ReportKind, as_of: Option<Timestamp>, lines: &[(&str, u32)]) -> Report {
    let lines = lines
        .iter()
        .map(|&(product_id, units)| (product(product_id), i64::from(units)));
    Report::parse(kind, as_of, lines).unwrap()
}
