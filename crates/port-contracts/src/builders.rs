//! Short ways to write down values in tests.

use domain::evidence::{ReportOrder, ResponseTimes};
use domain::identifiers::{BatchDigest, IdempotencyKey, ProductId, VendorId};
use domain::order::{Allocation, OrderRequest};
use domain::ports::{FetchedReport, NewOrder};
use domain::quantity::Quantity;
use domain::report::{Report, ReportKind};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, VendorSet, VendorSource};

/// A product.
#[must_use]
pub fn product(id: &str) -> ProductId {
    ProductId::parse_stored(id).unwrap()
}

/// A vendor.
#[must_use]
pub fn vendor(id: &str) -> VendorId {
    VendorId::parse(id).unwrap()
}

/// Vendors.
#[must_use]
pub fn vendors(ids: &[&str]) -> Vec<VendorId> {
    ids.iter().map(|id| vendor(id)).collect()
}

/// Vendors with a feed each.
#[must_use]
pub fn configured(ids: &[&str]) -> Vec<ConfiguredVendor> {
    ids.iter().map(|id| with_feed(vendor(id))).collect()
}

/// A vendor with a feed of its own.
#[must_use]
pub fn with_feed(vendor_id: VendorId) -> ConfiguredVendor {
    ConfiguredVendor {
        source: Some(
            VendorSource::new("http://vendors.test/", Some(vendor_id.as_str()), "").unwrap(),
        ),
        vendor_id,
    }
}

/// A set of vendors with a feed each.
#[must_use]
pub fn vendor_set(ids: &[&str]) -> VendorSet {
    configured(ids).into_iter().collect()
}

/// A number of units.
#[must_use]
pub fn quantity(units: u32) -> Quantity {
    Quantity::parse(i64::from(units)).unwrap()
}

/// A key of the caller `scope`.
#[must_use]
pub fn key(scope: &str, key: &str) -> IdempotencyKey {
    IdempotencyKey::parse(scope, key).unwrap()
}

/// What a customer asks for.
#[must_use]
pub fn request(product_id: &str, units: u32) -> OrderRequest {
    OrderRequest {
        product_id: product(product_id),
        quantity: quantity(units),
    }
}

/// The orders of a batch as the batcher hands them over: one unit of each product, under a key and what they ask for.
#[must_use]
pub fn batch(name: &str, digest: &str, product_ids: &[&str]) -> Vec<NewOrder> {
    let name = key("", name);
    let items = product_ids.iter().enumerate();
    items
        .map(|(position, product_id)| NewOrder {
            key: Some(match position {
                0 => name.clone(),
                _ => name.of_item(position),
            }),
            batch: (position == 0).then(|| BatchDigest::parse(digest).unwrap()),
            ..new_order(product_id, 1)
        })
        .collect()
}

/// An order to accept, without a key.
#[must_use]
pub fn new_order(product_id: &str, units: u32) -> NewOrder {
    NewOrder {
        request: request(product_id, units),
        key: None,
        batch: None,
    }
}

/// An order to accept, with a key of nobody in particular.
#[must_use]
pub fn keyed_order(product_id: &str, units: u32, name: &str) -> NewOrder {
    NewOrder {
        request: request(product_id, units),
        key: Some(key("", name)),
        batch: None,
    }
}

/// Units that one vendor supplies.
#[must_use]
pub fn allocation(vendor_id: &str, units: u32) -> Allocation {
    Allocation::new(vendor(vendor_id), quantity(units))
}

/// A report of everything, true as of the moment it is asked for.
#[must_use]
pub fn full(lines: &[(&str, u32)]) -> Report {
    report(ReportKind::Full, None, lines)
}

/// A report of everything, true as of `as_of`.
#[must_use]
pub fn full_as_of(as_of: Timestamp, lines: &[(&str, u32)]) -> Report {
    report(ReportKind::Full, Some(as_of), lines)
}

/// A report of some products, true as of the moment it is asked for.
#[must_use]
pub fn delta(lines: &[(&str, u32)]) -> Report {
    report(ReportKind::Delta, None, lines)
}

/// The order of a report that was requested at its as-of.
#[must_use]
pub fn order_at(as_of: Timestamp) -> ReportOrder {
    ReportOrder {
        as_of,
        requested_at: as_of,
    }
}

/// The report as a feed returns it, with no time but the as-of that it states; `now` if it states none.
#[must_use]
pub fn fetched(report: &Report, now: Timestamp) -> FetchedReport {
    let lines = report.quantities().iter();
    let lines = lines.map(|(product_id, units)| (product_id.clone(), i64::from(*units)));
    let as_of = report.as_of().or(Some(now));
    FetchedReport {
        report: Report::parse(report.kind(), as_of, lines).unwrap(),
        times: ResponseTimes::default(),
    }
}

fn report(kind: ReportKind, as_of: Option<Timestamp>, lines: &[(&str, u32)]) -> Report {
    let lines = lines
        .iter()
        .map(|&(product_id, units)| (product(product_id), i64::from(units)));
    Report::parse(kind, as_of, lines).unwrap()
}
