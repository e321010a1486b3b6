//! Vendors that push their reports, with the feeds of the programs.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use api::ServerOptions;
use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::ports::ConfiguredPushFeed;
use domain::report::ReportKind;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use vendor_feeds::{
    AsOfFormat, AsOfOptions, Column, DecodeOptions, FieldOptions, FormatOptions, JsonItems,
    JsonOptions, ProductIdField, PushOptions, PushReceiver, QuantityField, RuleOptions,
};

use crate::client::Reply;
use crate::fixture::TestServer;

/// Path of the reports of the vendor `acme`.
pub(crate) const REPORTS: &str = "/api/v1/vendors/acme/reports";

/// Maximum size of a report of the vendor, in bytes.
pub(crate) const MAX_BYTES: u64 = 100_000;

/// A report of the vendor.
pub(crate) const REPORT: &[u8] =
    br#"{"items": [{"id": "a", "units": 3}, {"id": "0012", "units": "4"}]}"#;

/// The options of a vendor that pushes `{"at": …, "items": [{"id": …, "units": …}]}`; `at` may be absent.
pub(crate) fn options() -> PushOptions {
    PushOptions {
        vendor_id: VendorId::parse("acme").unwrap(),
        decode: DecodeOptions {
            charset: None,
            entry: None,
            max_bytes: MAX_BYTES,
            max_decoded_bytes: 10_000_000,
            max_ratio: 100,
        },
        format: json(None),
        fields: fields("/id", "/units"),
        rules: RuleOptions::default(),
        timeout: Duration::from_secs(5),
        kind: ReportKind::Full,
        lag: Duration::ZERO,
        max_age: None,
        guard: Guard::default(),
    }
}

pub(crate) fn fields(product_id: &str, quantity: &str) -> FieldOptions {
    let column = |name: &str| Column::Name(name.to_owned());
    FieldOptions {
        product_id: ProductIdField::new(column(product_id)),
        quantity: QuantityField::new(column(quantity)),
    }
}

pub(crate) fn json(as_of: Option<&str>) -> FormatOptions {
    FormatOptions::Json(JsonOptions {
        items: "/items".to_owned(),
        items_are: JsonItems::List,
        as_of: as_of.map(|field| AsOfOptions {
            field: field.to_owned(),
            format: AsOfFormat::Rfc3339,
            zone: None,
        }),
    })
}

/// Starts a server with the vendor `acme`, which a worker has registered.
pub(crate) fn server(change: impl FnOnce(&mut PushOptions)) -> TestServer {
    server_with(|_| (), change)
}

/// Starts a server with changed options, and with the vendor `acme`.
pub(crate) fn server_with(
    change_server: impl FnOnce(&mut ServerOptions),
    change: impl FnOnce(&mut PushOptions),
) -> TestServer {
    let mut options = options();
    change(&mut options);
    let feed = ConfiguredPushFeed {
        feed: Arc::new(PushReceiver::new(options).unwrap()),
        url: "push:acme".to_owned(),
    };
    let server = TestServer::start_with_push(change_server, vec![feed]);
    server.store.register_vendor("acme", 0);
    server
}

impl TestServer {
    /// Pushes a report of the vendor; `head` has further header lines.
    pub(crate) async fn push(&self, head: &str, body: &[u8]) -> Reply {
        self.send("POST", REPORTS, head, body).await
    }
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The vendor as `GET /api/v1/vendors` lists it.
pub(crate) async fn listed(server: &TestServer) -> Value {
    let page = server.get("/api/v1/vendors").await.json();
    let vendors = page["items"].as_array().unwrap();
    let acme = vendors.iter().find(|it| it["vendor_id"] == "acme");
    acme.unwrap().clone()
}
