//! The times of a response, and partial responses.

use std::time::Duration;

use domain::evidence::{MAX_AGE, ResponseTimes};
use domain::ports::VendorFeed;
use domain::timestamp::Timestamp;
use vendor_feeds::{AsOfFormat, AsOfOptions, FormatOptions, JsonItems, JsonOptions};

use super::canned::CannedServer;
use super::{feed, feed_with, malformed, vendor};

#[expect(clippy::unnecessary_wraps, reason = "compared with optional values")]
fn at(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse_rfc3339(text).unwrap())
}

#[tokio::test]
async fn fetched_report_has_all_times_of_the_response() {
    let date = "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n";
    let of_date = ResponseTimes {
        date: at("2026-11-23T12:00:00Z"),
        ..ResponseTimes::default()
    };
    for (headers, expected) in [
        (date.to_owned(), of_date.clone()),
        (
            format!(
                "{date}Age: 90\r\nETag: \"x\"\r\nCache-Control: max-age=60\r\n\
                 Last-Modified: Mon, 23 Nov 2026 04:00:00 GMT\r\n"
            ),
            ResponseTimes {
                last_modified: at("2026-11-23T04:00:00Z"),
                etag: Some("\"x\"".to_owned()),
                age: Some(Duration::from_secs(90)),
                freshness: Some(Duration::from_mins(1)),
                ..of_date.clone()
            },
        ),
        (
            format!("{date}Age: old\r\n"),
            ResponseTimes {
                age: Some(MAX_AGE),
                ..of_date
            },
        ),
        (String::new(), ResponseTimes::default()),
        ("Date: today\r\n".to_owned(), ResponseTimes::default()),
    ] {
        let server = CannedServer::start("200 OK", &headers).await;
        let fetched = feed(&server.url()).fetch().await.unwrap();
        assert_eq!(fetched.times, expected, "{headers}");
        assert_eq!(fetched.report.as_of(), None);
    }
}

#[tokio::test]
async fn partial_response_is_malformed() {
    for (name, value) in [
        ("Link", "<http://127.0.0.1/s?page=2>; rel=\"next\""),
        ("Content-Range", "items 0-0/2"),
    ] {
        let server = CannedServer::start("200 OK", &format!("{name}: {value}\r\n")).await;
        let problem = malformed(&feed(&server.url())).await;
        assert!(problem.contains(name), "{problem}");
        assert_eq!(server.requests(), 1);
    }
    let headers = "Link: <http://127.0.0.1/s>; rel=\"self\"\r\n";
    let server = CannedServer::start("200 OK", headers).await;
    assert!(feed(&server.url()).fetch().await.is_ok());
}

#[tokio::test]
async fn as_of_is_read_from_the_document() {
    let vendor = vendor();
    vendor.set_as_of(Some("2026-11-23T13:00:00.25+01:00"));
    let with_pointer = || {
        feed_with(&vendor.url(), |options| {
            options.format = FormatOptions::Json(JsonOptions {
                items: "/items".to_owned(),
                items_are: JsonItems::List,
                as_of: Some(AsOfOptions {
                    field: "/as_of".to_owned(),
                    format: AsOfFormat::Rfc3339,
                    zone: None,
                }),
            });
            options.lag = Duration::from_mins(10);
        })
    };
    let fetched = with_pointer().fetch().await.unwrap();
    assert_eq!(fetched.report.as_of(), at("2026-11-23T12:00:00.25Z"));
    assert!(fetched.times.date.is_some());
    assert_eq!(with_pointer().lag(), Duration::from_mins(10));
    vendor.set_as_of(Some("yesterday"));
    let problem = malformed(&with_pointer()).await;
    assert!(problem.starts_with("/as_of is \"yesterday\""), "{problem}");
    vendor.set_as_of(None);
    let problem = malformed(&with_pointer()).await;
    assert!(problem.starts_with("/items is missing"), "{problem}");
}
