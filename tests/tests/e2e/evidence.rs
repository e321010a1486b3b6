//! Evidence of reports, end to end: old counts that arrive with a new `Date` do not return shipped units to stock.

use std::time::Duration;

use client::OrderStatus;
use clock_tokio::SystemClock;
use domain::ports::Clock as _;
use domain::timestamp::Timestamp;
use tests::{Standalone, eventually, serve, vendor_settings};
use time::OffsetDateTime;
use time::format_description::parse_borrowed;

/// The kind of server that serves a vendor's report.
#[derive(Clone, Copy)]
enum Source {
    /// A file that was written before the sale, served with a new `Date`.
    File,
    /// A cache that sends its own `Date` and forwards the freshness lifetime.
    Cache,
    /// A cache that keeps the origin's `Date` (the start of the test) and adds an `Age`.
    AgingCache,
    /// A replica that lags by less than the setting `lag`, with a new `Date`.
    Replica,
    /// The vendor's current count, with a new `Date`.
    Direct,
}

const SOURCES: [(&str, Source); 5] = [
    ("file", Source::File),
    ("cache", Source::Cache),
    ("aging-cache", Source::AgingCache),
    ("replica", Source::Replica),
    ("direct", Source::Direct),
];

fn http_date(instant: Timestamp) -> String {
    const FORMAT: &str =
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT";
    let format = parse_borrowed::<2>(FORMAT).unwrap();
    let seconds = instant.as_micros() / 1_000_000;
    let instant = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    instant.format(&format).unwrap()
}

impl Source {
    /// Returns the headers that depend on the source.
    fn headers(self, started: Timestamp) -> String {
        let now = SystemClock.now();
        let old = started.minus(Duration::from_mins(1));
        match self {
            Self::File => format!(
                "Date: {}\r\nLast-Modified: {}\r\n",
                http_date(now),
                http_date(old)
            ),
            Self::Cache => format!("Date: {}\r\nCache-Control: max-age=300\r\n", http_date(now)),
            Self::AgingCache => {
                let age = now.since(started).as_secs();
                format!("Date: {}\r\nAge: {age}\r\n", http_date(started))
            }
            Self::Replica | Self::Direct => format!("Date: {}\r\n", http_date(now)),
        }
    }
}

/// Starts a vendor that always reports 50 units of the product named like the vendor. Returns the vendor's settings.
async fn start_vendor(id: &str, source: Source, started: Timestamp) -> String {
    let body = format!(r#"[{{"productId": "{id}", "quantity": 50}}]"#);
    let url = serve(body, move || source.headers(started)).await;
    let lag = if matches!(source, Source::Replica) {
        "lag = \"10m\"\n"
    } else {
        ""
    };
    vendor_settings(id, &url, "1h", lag)
}

/// Of 50 units, 30 are sold and shipped. A report that may have been counted before the shipment keeps them in flight.
#[tokio::test]
async fn old_counts_with_a_new_date_do_not_return_shipped_units() {
    let started = SystemClock.now();
    let mut settings = String::new();
    for (id, source) in SOURCES {
        settings += &start_vendor(id, source, started).await;
    }
    let standalone = Standalone::start_with(&settings).await;
    let client = standalone.client();
    for (id, _) in SOURCES {
        client.wait_for_quantity(id, 50).await;
        let order = client.place_confirmed(id, 30).await;
        client.change(order.id, OrderStatus::Shipped).await.unwrap();
    }
    let numbers = async |id: &str| {
        client.api.sync_vendor(id).await.unwrap();
        let stock = client.api.stock(id).await.unwrap();
        let vendor = &stock.vendors[0];
        (vendor.reported, vendor.in_flight, vendor.available)
    };
    // The direct counts are current: the shipment is included once `Date` is later than it.
    eventually("the direct count includes the shipment", async || {
        (numbers("direct").await == (50, 0, 50)).then_some(())
    })
    .await;
    for id in ["file", "cache", "aging-cache", "replica"] {
        assert_eq!(numbers(id).await, (50, 30, 20), "{id}");
    }
    standalone.audit().await;
}
