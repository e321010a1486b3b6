//! The JSON views of responses, without logic.

pub(crate) mod runs;
pub(crate) mod vendors;

use std::fmt::Display;

use domain::order::{Allocation, Order, RejectReason};
use domain::ports::{ProductDetail, StockLevel, VendorLevel};
use domain::timestamp::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::openapi::schemas;

/// An order.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderView<'a> {
    #[schema(schema_with = schemas::order_id)]
    id: i64,
    #[schema(schema_with = schemas::product_id)]
    product_id: &'a str,
    #[schema(schema_with = schemas::quantity)]
    quantity: u32,
    #[schema(schema_with = schemas::order_status)]
    status: &'static str,
    #[schema(schema_with = schemas::reject_reason, required)]
    reason: Option<&'static str>,
    /// The supplying vendors. Allocations add up to `quantity` in `CONFIRMED`, `SHIPPED` and `DELIVERED`, and are empty in
    /// any other status.
    allocations: Vec<AllocationView<'a>>,
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "text")]
    created_at: Timestamp,
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "text")]
    updated_at: Timestamp,
}

/// The units of an order that one vendor supplies.
#[derive(Serialize, ToSchema)]
#[schema(as = Allocation)]
struct AllocationView<'a> {
    #[schema(schema_with = schemas::vendor_id)]
    vendor_id: &'a str,
    #[schema(schema_with = schemas::quantity)]
    quantity: u32,
}

impl<'a> From<&'a Order> for OrderView<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            id: order.id.0,
            product_id: order.product_id.as_str(),
            quantity: order.quantity.units(),
            status: order.state.status().as_str(),
            reason: order.state.reject_reason().map(RejectReason::as_str),
            allocations: order
                .state
                .allocations()
                .iter()
                .map(AllocationView::from)
                .collect(),
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

impl<'a> From<&'a Allocation> for AllocationView<'a> {
    fn from(allocation: &'a Allocation) -> Self {
        Self {
            vendor_id: allocation.vendor_id.as_str(),
            quantity: allocation.quantity.units(),
        }
    }
}

/// The stock of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = Stock)]
pub(crate) struct StockView<'a> {
    #[schema(schema_with = schemas::product_id)]
    product_id: &'a str,
    /// Units available for sale.
    quantity: u64,
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "text")]
    updated_at: Timestamp,
}

impl<'a> From<&'a StockLevel> for StockView<'a> {
    fn from(level: &'a StockLevel) -> Self {
        Self {
            product_id: level.product_id.as_str(),
            quantity: level.quantity,
            updated_at: level.updated_at,
        }
    }
}

/// The stock of a product, in total and by vendor.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductStock)]
pub(crate) struct ProductView<'a> {
    #[serde(flatten)]
    level: StockView<'a>,
    vendors: Vec<VendorView<'a>>,
}

/// One vendor's stock of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = VendorStock)]
struct VendorView<'a> {
    #[schema(schema_with = schemas::vendor_id)]
    vendor_id: &'a str,
    /// Units in the vendor's last report.
    #[schema(value_type = u64)]
    reported: u32,
    /// Units sold here that the vendor's last report does not include.
    #[schema(value_type = u64)]
    in_flight: u32,
    /// Units available for sale: `reported` minus `in_flight`, at least 0.
    #[schema(value_type = u64)]
    available: u32,
    #[schema(schema_with = schemas::timestamp)]
    #[serde(serialize_with = "text")]
    as_of: Timestamp,
}

impl<'a> From<&'a ProductDetail> for ProductView<'a> {
    fn from(detail: &'a ProductDetail) -> Self {
        Self {
            level: StockView::from(&detail.level),
            vendors: detail.vendors.iter().map(VendorView::from).collect(),
        }
    }
}

impl<'a> From<&'a VendorLevel> for VendorView<'a> {
    fn from(level: &'a VendorLevel) -> Self {
        Self {
            vendor_id: level.vendor_id.as_str(),
            reported: level.reported,
            in_flight: level.in_flight,
            available: level.available,
            as_of: level.as_of,
        }
    }
}

fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[allow(clippy::ref_option, reason = "the signature is required by serde")]
fn text_or_null<T: Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => text(value, serializer),
        None => serializer.serialize_none(),
    }
}
