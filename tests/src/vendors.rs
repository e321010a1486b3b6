//! The mock vendors of a deployment and their settings.

use std::fmt::Write as _;
use std::time::Duration;

use mock_vendor::MockVendor;

/// Stock by vendor id.
pub(crate) type Stocks = Vec<(String, Vec<(String, i64)>)>;

/// Returns one element of [`Stocks`].
pub(crate) fn stock(id: &str, stock: &[(&str, i64)]) -> (String, Vec<(String, i64)>) {
    let stock = stock
        .iter()
        .map(|&(product, units)| (product.to_owned(), units));
    (id.to_owned(), stock.collect())
}

/// Starts the vendors. Returns them with `settings` plus the vendors' settings, as TOML. `as_of` is the JSON pointer of the
/// as-of in the reports; the items are then at `/items`.
pub(crate) fn start(
    stocks: &Stocks,
    sync_interval: Duration,
    as_of: Option<&str>,
    settings: &str,
) -> (Vec<MockVendor>, String) {
    let mut config = settings.to_owned();
    let mut vendors = Vec::new();
    for (id, stock) in stocks {
        let vendor = MockVendor::start_local(stock.clone()).unwrap();
        // Writing to a String cannot fail.
        let _ = write!(
            config,
            "\n[[vendors]]\nid = \"{id}\"\nurl = \"{}\"\nsync_interval = \"{}ms\"\n",
            vendor.url(),
            sync_interval.as_millis()
        );
        if let Some(pointer) = as_of {
            vendor.set_as_of(Some("2000-01-01T00:00:00Z"));
            let _ = write!(
                config,
                "[vendors.format]\nitems = \"/items\"\nas_of = \"{pointer}\"\n"
            );
        }
        vendors.push(vendor);
    }
    if vendors.is_empty() {
        config.insert_str(0, "vendors = []\n");
    }
    (vendors, config)
}
