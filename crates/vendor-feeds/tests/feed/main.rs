//! Feeds of working and failing vendors.

#![allow(clippy::unwrap_used, reason = "tests and their helpers may panic")]

mod auth;
mod canned;
mod conditional;
mod decoding;
mod faults;
mod files;
mod memory;
mod mock_faults;
mod mock_files;
mod mock_formats;
mod mock_servers;
mod page_headers;
mod page_limits;
mod pages;
mod pushes;
mod redirects;
mod refused;
mod retry_after;
mod sample;
mod scripted;
mod secrets;
mod times;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::guard::Guard;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{FeedError, VendorFeed};
use domain::report::ReportKind;
use mock_vendor::MockVendor;
use vendor_feeds::{
    AfterRead, Column, DecodeOptions, FeedOptions, FieldOptions, FormatOptions, HttpOptions,
    InvalidOptions, JsonItems, JsonOptions, ProductIdField, QuantityField, RuleOptions, Source,
    SourceFeed,
};

const STOCK: [(&str, i64); 2] = [("1", 50), ("2", 100)];

fn vendor() -> MockVendor {
    MockVendor::start_local(STOCK).unwrap()
}

/// Options for the mock vendor, without retries.
fn options(url: &str) -> FeedOptions {
    options_of(Source::Http(Box::new(HttpOptions::new(
        url.parse().unwrap(),
    ))))
}

fn options_of(source: Source) -> FeedOptions {
    let column = |name: &str| Column::Name(name.to_owned());
    FeedOptions {
        vendor_id: VendorId::parse("vendor-a").unwrap(),
        source,
        after: AfterRead::Leave,
        decode: DecodeOptions {
            charset: None,
            entry: None,
            max_bytes: 1_000_000,
            max_decoded_bytes: 10_000_000,
            max_ratio: 100,
        },
        format: FormatOptions::Json(JsonOptions {
            items: String::new(),
            items_are: JsonItems::List,
            as_of: None,
        }),
        fields: FieldOptions {
            product_id: ProductIdField::new(column("/productId")),
            quantity: QuantityField::new(column("/quantity")),
        },
        rules: RuleOptions::default(),
        timeout: Duration::from_secs(5),
        retries: 0,
        kind: ReportKind::Full,
        lag: Duration::ZERO,
        max_age: None,
        guard: Guard::default(),
    }
}

fn feed(url: &str) -> SourceFeed {
    feed_with(url, |_| {})
}

/// Returns a feed with changed options.
fn feed_with(url: &str, change: impl FnOnce(&mut FeedOptions)) -> SourceFeed {
    let mut options = options(url);
    change(&mut options);
    feed_of(options)
}

/// Returns a feed with changed options of its requests.
fn http_feed(url: &str, change: impl FnOnce(&mut HttpOptions)) -> SourceFeed {
    feed_of(http_options(url, change))
}

fn http_options(url: &str, change: impl FnOnce(&mut HttpOptions)) -> FeedOptions {
    let mut http = HttpOptions::new(url.parse().unwrap());
    change(&mut http);
    options_of(Source::Http(Box::new(http)))
}

fn feed_of(options: FeedOptions) -> SourceFeed {
    SourceFeed::new(options, Arc::new(SystemClock)).unwrap()
}

fn feed_with_retries(url: &str, retries: u32) -> SourceFeed {
    feed_with(url, |options| options.retries = retries)
}

async fn units_of(feed: &SourceFeed, product: &str) -> Option<u32> {
    let report = feed.fetch().await.unwrap().report;
    report.quantity_of(&ProductId::parse(product).unwrap())
}

async fn unavailable(feed: &SourceFeed) -> String {
    match feed
        .fetch()
        .await
        .map_err(|error| error.split_file_time().0)
    {
        Err(FeedError::Unavailable(problem)) => problem,
        other => panic!("expected an unavailable vendor, got {other:?}"),
    }
}

async fn not_ready(feed: &SourceFeed) -> String {
    match feed
        .fetch()
        .await
        .map_err(|error| error.split_file_time().0)
    {
        Err(FeedError::NotReady(problem)) => problem,
        other => panic!("expected a report that is not ready, got {other:?}"),
    }
}

async fn malformed(feed: &SourceFeed) -> String {
    match feed
        .fetch()
        .await
        .map_err(|error| error.split_file_time().0)
    {
        Err(FeedError::Malformed(malformed)) => malformed.to_string(),
        other => panic!("expected a malformed report, got {other:?}"),
    }
}

#[tokio::test]
async fn every_fetch_requests_the_current_report() {
    let vendor = vendor();
    let feed = feed(&vendor.url());
    assert_eq!(feed.vendor_id().as_str(), "vendor-a");
    assert_eq!(units_of(&feed, "2").await, Some(100));
    vendor.set_stock([("2", 7)]);
    assert_eq!(units_of(&feed, "2").await, Some(7));
    assert_eq!(units_of(&feed, "1").await, Some(0));
    assert_eq!(vendor.requests(), 3);
}

#[tokio::test]
async fn delta_has_no_quantity_for_omitted_products() {
    let vendor = vendor();
    let feed = feed_with(&vendor.url(), |options| options.kind = ReportKind::Delta);
    assert_eq!(units_of(&feed, "1").await, Some(50));
    assert_eq!(units_of(&feed, "3").await, None);
}

#[tokio::test]
async fn invalid_item_makes_the_report_malformed() {
    let vendor = vendor();
    vendor.set_stock([("1", 1), ("2", -5)]);
    assert_eq!(
        malformed(&feed(&vendor.url())).await,
        "item 2: /quantity is -5, below 0 (rules.negative = \"zero\" would read it as 0)"
    );
}

#[tokio::test]
async fn large_report_is_read() {
    let vendor = vendor();
    vendor.set_stock(mock_vendor::catalogue(1, 50_000));
    let feed = feed_with(&vendor.url(), |options| {
        options.decode.max_bytes = 64 * 1024 * 1024;
        options.timeout = Duration::from_secs(30);
    });
    let fetched = feed.fetch().await.unwrap();
    assert_eq!(fetched.report.quantities().len(), 50_000);
}

#[test]
fn invalid_options_are_rejected() {
    let clock = || Arc::new(SystemClock);
    let wrong_scheme = SourceFeed::new(options("ftp://example.com/"), clock());
    assert!(matches!(wrong_scheme, Err(InvalidOptions::Scheme)));
    let mut wrong_pointer = options("http://example.com/");
    let quantity = Column::Name("quantity".to_owned());
    wrong_pointer.fields.quantity = QuantityField::new(quantity);
    let error = SourceFeed::new(wrong_pointer, clock()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"fields.quantity is "quantity", which is not a JSON pointer"#
    );
}
