//! Feeds of working and failing vendors.

#![allow(clippy::unwrap_used, reason = "tests and their helpers may panic")]

mod canned;
mod faults;
mod retry_after;
mod times;

use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{FeedError, VendorFeed};
use domain::report::ReportKind;
use jsonptr::PointerBuf;
use mock_vendor::MockVendor;
use vendor_feeds::{FeedFormat, HttpVendorFeed, HttpVendorOptions, InvalidOptions};

const STOCK: [(&str, i64); 2] = [("1", 50), ("2", 100)];

fn vendor() -> MockVendor {
    MockVendor::start_local(STOCK).unwrap()
}

/// Options for the mock vendor, without retries.
fn options(url: &str) -> HttpVendorOptions {
    HttpVendorOptions {
        vendor_id: VendorId::parse("vendor-a").unwrap(),
        url: url.parse().unwrap(),
        timeout: Duration::from_secs(5),
        max_bytes: 1_000_000,
        retries: 0,
        kind: ReportKind::Full,
        lag: Duration::ZERO,
        max_age: None,
        format: FeedFormat {
            items: PointerBuf::root(),
            product_id: PointerBuf::parse("/productId").unwrap(),
            quantity: PointerBuf::parse("/quantity").unwrap(),
            as_of: None,
        },
    }
}

fn feed(url: &str) -> HttpVendorFeed {
    feed_with(url, |_| {})
}

/// Returns a feed with changed options.
fn feed_with(url: &str, change: impl FnOnce(&mut HttpVendorOptions)) -> HttpVendorFeed {
    let mut options = options(url);
    change(&mut options);
    HttpVendorFeed::new(options, Arc::new(SystemClock)).unwrap()
}

fn feed_with_retries(url: &str, retries: u32) -> HttpVendorFeed {
    feed_with(url, |options| options.retries = retries)
}

async fn units_of(feed: &HttpVendorFeed, product: &str) -> Option<u32> {
    let report = feed.fetch().await.unwrap().report;
    report.quantity_of(&ProductId::parse(product).unwrap())
}

async fn unavailable(feed: &HttpVendorFeed) -> String {
    match feed.fetch().await {
        Err(FeedError::Unavailable(problem)) => problem,
        other => panic!("expected an unavailable vendor, got {other:?}"),
    }
}

async fn malformed(feed: &HttpVendorFeed) -> String {
    match feed.fetch().await {
        Err(FeedError::Malformed(problem)) => problem,
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
        "item 1: /quantity is -5, expected an integer from 0 to 2147483647"
    );
}

#[tokio::test]
async fn large_report_is_read() {
    let vendor = vendor();
    vendor.set_stock(mock_vendor::catalogue(1, 50_000));
    let feed = feed_with(&vendor.url(), |options| {
        options.max_bytes = 64 * 1024 * 1024;
        options.timeout = Duration::from_secs(30);
    });
    let fetched = feed.fetch().await.unwrap();
    assert_eq!(fetched.report.quantities().len(), 50_000);
}

#[test]
fn invalid_options_are_rejected() {
    let options = options("ftp://example.com/");
    let wrong_scheme = HttpVendorFeed::new(options, Arc::new(SystemClock));
    assert!(matches!(wrong_scheme, Err(InvalidOptions::Scheme)));
}
