//! The vendors of a deployment, and the settings that make it read them.

use std::fmt::Write as _;
use std::time::Duration;

use mock_vendor::MockVendor;

/// Vendors by id, with their stock.
pub(crate) type Stocks = Vec<(String, Vec<(String, i64)>)>;

/// One vendor's part of the above.
pub(crate) fn stock(id: &str, stock: &[(&str, i64)]) -> (String, Vec<(String, i64)>) {
    let stock = stock
        .iter()
        .map(|&(product, units)| (product.to_owned(), units));
    (id.to_owned(), stock.collect())
}

/// Starts vendors, and returns them with `settings` and what makes a program read them so often, as TOML. With `as_of`,
/// their documents say at this JSON pointer as of when they are true; the items then are at `/items`.
pub(crate) fn start(
    stocks: &Stocks,
    every: Duration,
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
            every.as_millis()
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
