//! Builders of domain values.

use domain::identifiers::{IdempotencyKey, ProductId, VendorId};
use domain::order::OrderRequest;
use domain::ports::NewOrder;
use domain::quantity::Quantity;
use domain::report::{Report, ReportKind};
use domain::validators::Validators;
use domain::vendor_set::{ConfiguredVendor, VendorSet};

pub(crate) fn vendor(id: &str) -> VendorId {
    VendorId::parse(id).unwrap()
}

pub(crate) fn vendor_set(ids: &[&str]) -> VendorSet {
    let vendors = ids.iter().map(|id| ConfiguredVendor {
        vendor_id: vendor(id),
        source: None,
    });
    vendors.collect()
}

pub(crate) fn order(product_id: &str, units: u32) -> NewOrder {
    NewOrder {
        request: OrderRequest {
            product_id: ProductId::parse(product_id).unwrap(),
            quantity: Quantity::parse(i64::from(units)).unwrap(),
        },
        key: None,
        batch: None,
        trace: None,
    }
}

pub(crate) fn keyed(product_id: &str, units: u32, key: &str) -> NewOrder {
    NewOrder {
        key: Some(IdempotencyKey::parse("", key).unwrap()),
        ..order(product_id, units)
    }
}

pub(crate) fn full(lines: &[(&str, i64)]) -> Report {
    let lines = lines
        .iter()
        .map(|&(product_id, units)| (ProductId::parse(product_id).unwrap(), units));
    Report::parse(ReportKind::Full, None, lines).unwrap()
}

pub(crate) fn validators() -> Validators {
    Validators {
        scope: "s".to_owned(),
        etag: Some("\"1\"".to_owned()),
        last_modified: None,
    }
}
