//! Pagination cursors, opaque to clients.
//!
//! A cursor contains the key of the last item of the previous page. Its checksum also covers the list and its filters, so
//! that a truncated or invented cursor, or one of another list, is rejected and not misread. A cursor is neither a secret
//! nor a permission: a forged one gives access only to what its sender may read anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identifiers::{OrderId, ProductId, VendorId};
use domain::ports::{OrderFilter, RunId};

use crate::problem::Problem;
use crate::request::query;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = size_of::<u32>();

/// A list with its filters: issues and parses the cursors of the list.
pub(crate) struct CursorScope {
    checksum: crc32fast::Hasher,
}

impl CursorScope {
    /// The list of orders.
    pub(crate) fn orders(filter: &OrderFilter) -> Self {
        let status = filter.status.map_or("", |status| status.as_str());
        // A product id is never empty, so this is unambiguous.
        let product_id = filter.product_id.as_ref().map_or("", ProductId::as_str);
        Self::new("orders", &[status, product_id])
    }

    /// The list of stock.
    pub(crate) fn stock(in_stock: bool) -> Self {
        Self::new("stock", &[if in_stock { "in_stock" } else { "" }])
    }

    /// The list of vendors.
    pub(crate) fn vendors() -> Self {
        Self::new("vendors", &[])
    }

    /// The list of the runs of a vendor.
    pub(crate) fn runs(vendor_id: &VendorId) -> Self {
        Self::new("runs", &[vendor_id.as_str()])
    }

    fn new(list: &str, filters: &[&str]) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&[VERSION]);
        for part in std::iter::once(&list).chain(filters) {
            checksum.update(part.as_bytes());
            // 0xff does not occur in UTF-8, so different sequences of parts have different bytes.
            checksum.update(&[0xff]);
        }
        Self { checksum }
    }

    /// A cursor that continues after an order.
    pub(crate) fn after_order(&self, id: OrderId) -> String {
        self.encode_key(&id.0.to_be_bytes())
    }

    /// The order that a cursor continues after.
    pub(crate) fn parse_order(&self, cursor: &str) -> Result<OrderId, Problem> {
        self.decode_key(cursor)
            .and_then(|key| key.try_into().ok())
            .map(|key| OrderId(i64::from_be_bytes(key)))
            .ok_or_else(invalid_cursor)
    }

    /// A cursor that continues after a product.
    pub(crate) fn after_product(&self, id: &ProductId) -> String {
        self.encode_key(id.as_str().as_bytes())
    }

    /// The product that a cursor continues after.
    pub(crate) fn parse_product(&self, cursor: &str) -> Result<ProductId, Problem> {
        self.decode_key(cursor)
            .and_then(|key| String::from_utf8(key).ok())
            .and_then(|key| ProductId::parse_stored(key).ok())
            .ok_or_else(invalid_cursor)
    }

    /// A cursor that continues after a vendor.
    pub(crate) fn after_vendor(&self, id: &VendorId) -> String {
        self.encode_key(id.as_str().as_bytes())
    }

    /// The vendor that a cursor continues after.
    pub(crate) fn parse_vendor(&self, cursor: &str) -> Result<VendorId, Problem> {
        self.decode_key(cursor)
            .and_then(|key| String::from_utf8(key).ok())
            .and_then(|key| VendorId::parse(key).ok())
            .ok_or_else(invalid_cursor)
    }

    /// A cursor that continues after a run.
    pub(crate) fn after_run(&self, id: RunId) -> String {
        self.encode_key(&id.0.to_be_bytes())
    }

    /// The run that a cursor continues after.
    pub(crate) fn parse_run(&self, cursor: &str) -> Result<RunId, Problem> {
        self.decode_key(cursor)
            .and_then(|key| key.try_into().ok())
            .map(|key| RunId(i64::from_be_bytes(key)))
            .ok_or_else(invalid_cursor)
    }

    fn encode_key(&self, key: &[u8]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&self.checksum_of(key));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode_key(&self, cursor: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (&VERSION, rest) = bytes.split_first()? else {
            return None;
        };
        let (key, checksum) = rest.split_at_checked(rest.len().checked_sub(CHECKSUM_BYTES)?)?;
        (checksum == self.checksum_of(key)).then(|| key.to_vec())
    }

    fn checksum_of(&self, key: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut checksum = self.checksum.clone();
        checksum.update(key);
        checksum.finalize().to_be_bytes()
    }
}

fn invalid_cursor() -> Problem {
    query::invalid("cursor", "was not issued for this list with these filters")
}

#[cfg(test)]
mod tests {
    use domain::order::OrderStatus;

    use super::*;

    #[test]
    fn cursor_is_accepted_only_by_its_own_list_and_filters() {
        let product = ProductId::parse("CONFIRMED").unwrap();
        let filters = [
            OrderFilter::default(),
            OrderFilter {
                status: Some(OrderStatus::Confirmed),
                product_id: None,
            },
            OrderFilter {
                status: None,
                product_id: Some(product),
            },
        ];
        for issued in &filters {
            let cursor = CursorScope::orders(issued).after_order(OrderId(42));
            for read in &filters {
                let id = CursorScope::orders(read).parse_order(&cursor).ok();
                assert_eq!(
                    id,
                    (issued == read).then_some(OrderId(42)),
                    "{issued:?} {read:?}"
                );
            }
            assert!(CursorScope::stock(false).parse_product(&cursor).is_err());
        }
    }

    #[test]
    fn cursor_of_runs_is_accepted_only_for_its_vendor() {
        let scope = |id: &str| CursorScope::runs(&VendorId::parse(id).unwrap());
        let cursor = scope("a").after_run(RunId(7));
        assert_eq!(scope("a").parse_run(&cursor), Ok(RunId(7)));
        assert!(scope("b").parse_run(&cursor).is_err());
        let filter = OrderFilter::default();
        assert!(CursorScope::orders(&filter).parse_order(&cursor).is_err());
    }

    #[test]
    fn damaged_cursor_is_rejected() {
        let scope = CursorScope::stock(true);
        let cursor = scope.after_product(&ProductId::parse("a/ü").unwrap());
        assert_eq!(
            scope.parse_product(&cursor).map(ProductId::into_string),
            Ok("a/ü".to_owned())
        );
        for at in 0..cursor.len() {
            let mut damaged = cursor.clone().into_bytes();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert!(scope.parse_product(&damaged).is_err(), "{damaged}");
            assert!(scope.parse_product(&cursor[..at]).is_err(), "{at}");
        }
    }
}
