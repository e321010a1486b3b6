//! The banner that is printed when the process is ready.

use std::path::Path;

use domain::ports::{FinishedSync, SyncOutcome, VendorStatus};
use wiring::trial::RunningApi;

/// The URLs, the data file, the vendors whose last sync brought no report, and example commands. `product_id` is the product
/// of the example order; `None` if no product is in stock.
pub(crate) fn text(
    api: &RunningApi,
    data: &Path,
    vendors: &[VendorStatus],
    product_id: Option<&str>,
) -> String {
    let (url, data) = (&api.url, data.display());
    let failed: Vec<String> = vendors.iter().filter_map(without_report).collect();
    let failed = if failed.is_empty() {
        String::new()
    } else {
        let lines = failed.join("\n  ");
        format!("\nThe last sync of these vendors applied no report:\n\n  {lines}\n")
    };
    let [stock, order, orders] = api.commands(product_id.unwrap_or_default());
    let commands = match product_id {
        Some(_) => format!("To try it:\n\n  {stock}\n  {order}\n  {orders}"),
        None => format!(
            "No product is in stock, so no order can be confirmed yet. To see the stock and the orders:\n\n  \
             {stock}\n  {orders}"
        ),
    };
    format!(
        "\nThe order aggregator is ready. Ctrl-C stops it; the data is kept.\n\n  \
         API   {url}\n  docs  {url}/docs\n  data  {data}\n{failed}\n{commands}\n"
    )
}

/// The line of a vendor whose last sync applied no report.
fn without_report(vendor: &VendorStatus) -> Option<String> {
    let FinishedSync { outcome, error, .. } = vendor.last_sync.as_ref()?;
    let is_listed = matches!(
        outcome,
        SyncOutcome::Failed | SyncOutcome::NotReady | SyncOutcome::Quarantined
    );
    let reason = error.as_deref().unwrap_or_default();
    is_listed.then(|| format!("{}  {}  {reason}", vendor.vendor_id, outcome.status()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::identifiers::VendorId;
    use domain::timestamp::Timestamp;

    use super::*;

    fn api() -> RunningApi {
        RunningApi {
            url: "http://127.0.0.1:3000".to_owned(),
            requires_key: false,
        }
    }

    fn vendor(id: &str, outcome: SyncOutcome, error: Option<&str>) -> VendorStatus {
        VendorStatus {
            vendor_id: VendorId::parse(id).unwrap(),
            products: 0,
            last_sync: Some(FinishedSync {
                outcome,
                finished_at: Timestamp::EPOCH,
                took: Duration::ZERO,
                received: 0,
                changed: 0,
                error: error.map(str::to_owned),
            }),
            proof: None,
            age: None,
            clock_skew_ms: None,
            is_expired: false,
            quarantined: None,
        }
    }

    #[test]
    fn banner_contains_urls_data_file_and_commands() {
        let vendors = [vendor("acme", SyncOutcome::Applied, None)];
        let data = Path::new("/data/shop.db");
        insta::assert_snapshot!(text(&api(), data, &vendors, Some("SKU-1")));
    }

    #[test]
    fn banner_names_vendors_without_a_report_and_orders_no_product_then() {
        let reason = "vendor acme: no file matches file:///srv/stock_*.csv";
        let vendors = [
            vendor("acme", SyncOutcome::Failed, Some(reason)),
            vendor(
                "globex",
                SyncOutcome::NotReady,
                Some("the file a.csv still grows"),
            ),
            vendor("hooli", SyncOutcome::Applied, None),
        ];
        let data = Path::new("/data/shop.db");
        insta::assert_snapshot!(text(&api(), data, &vendors, None));
    }
}
