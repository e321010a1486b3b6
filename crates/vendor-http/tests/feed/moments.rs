//! For which moment a report is taken to be true.

use domain::ports::VendorFeed;
use domain::timestamp::Timestamp;
use vendor_http::{HttpVendorFeed, HttpVendorOptions};

use super::canned::Canned;
use super::{feed, malformed, options, vendor};

/// A moment after all that these tests name, at which the vendor was asked.
fn asked_at() -> Timestamp {
    Timestamp::parse_rfc3339("2100-01-01T00:00:00Z").unwrap()
}

async fn as_of(feed: &HttpVendorFeed) -> String {
    let report = feed.fetch().await.unwrap();
    report.effective_as_of(asked_at()).to_string()
}

#[tokio::test]
async fn the_response_says_when_it_was_made() {
    let date = "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n";
    for (headers, expected) in [
        (date.to_owned(), "2026-11-23T12:00:00.000000Z"),
        (format!("{date}Age: 90\r\n"), "2026-11-23T11:58:30.000000Z"),
        (format!("{date}Age: old\r\n"), "2026-11-23T12:00:00.000000Z"),
        (String::new(), "2100-01-01T00:00:00.000000Z"),
        ("Date: today\r\n".to_owned(), "2100-01-01T00:00:00.000000Z"),
    ] {
        let server = Canned::start("200 OK", &headers).await;
        assert_eq!(as_of(&feed(&server.url())).await, expected, "{headers}");
    }
}

#[tokio::test]
async fn what_a_cache_held_for_who_knows_how_long_is_refused() {
    for headers in ["Age: 90\r\n", "Age: 90\r\nDate: today\r\n"] {
        let server = Canned::start("200 OK", headers).await;
        let problem = malformed(&feed(&server.url())).await;
        assert!(problem.contains("cache"), "{problem}");
    }
}

#[tokio::test]
async fn the_documents_word_goes_before_the_responses() {
    let vendor = vendor();
    vendor.set_as_of(Some("2026-11-23T13:00:00.25+01:00"));
    let with_pointer = || {
        let mut options: HttpVendorOptions = options(&vendor.url());
        options.format.items = "/items".to_owned();
        options.format.as_of = Some("/as_of".to_owned());
        HttpVendorFeed::new(options).unwrap()
    };
    assert_eq!(as_of(&with_pointer()).await, "2026-11-23T12:00:00.250000Z");
    vendor.set_as_of(Some("yesterday"));
    let problem = malformed(&with_pointer()).await;
    assert!(problem.starts_with("/as_of is \"yesterday\""), "{problem}");
    vendor.set_as_of(None);
    let problem = malformed(&with_pointer()).await;
    assert!(problem.starts_with("/as_of is missing"), "{problem}");
}
