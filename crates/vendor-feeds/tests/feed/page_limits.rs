//! Limits, retries and times of reports in pages: they are those of all pages.

use std::io::Write as _;
use std::time::Duration;

use domain::ports::VendorFeed as _;
use domain::timestamp::Timestamp;
use vendor_feeds::{AsOfFormat, AsOfOptions, FeedOptions, FormatOptions, JsonItems, JsonOptions};

use super::pages::{by_cursor, by_number, paged_options};
use super::scripted::{Response, ScriptedServer};
use super::{feed_of, malformed, unavailable, units_of};

/// Sets a limit.
type Limit = fn(&mut FeedOptions, u64);

/// A page with one record, and a cursor to the next one unless it is the last.
fn page(number: usize, last: usize) -> String {
    let next = if number < last {
        format!(r#","next":"{number}""#)
    } else {
        String::new()
    };
    format!(r#"{{"items":[{{"productId":"P{number}","quantity":{number}}}]{next}}}"#)
}

fn cursor_options(server: &ScriptedServer) -> FeedOptions {
    paged_options(&server.url("/"), by_cursor(), None)
}

#[tokio::test]
async fn limits_are_those_of_all_pages() {
    let server = || ScriptedServer::start(|number, _| Response::ok(page(number, 3)));
    let sizes: Vec<u64> = (1..=3).map(|number| page(number, 3).len() as u64).collect();
    let total: u64 = sizes.iter().sum();
    let limited = |server: &ScriptedServer, limit: fn(&mut FeedOptions, u64), value: u64| {
        let mut options = cursor_options(server);
        limit(&mut options, value);
        feed_of(options)
    };
    let limits: [(Limit, u64, String); 3] = [
        (
            |options, bytes| options.decode.max_bytes = bytes,
            total,
            format!(
                "page 3: the report is larger than {} bytes (decode.max_bytes)",
                total - 1
            ),
        ),
        (
            |options, bytes| options.decode.max_decoded_bytes = bytes,
            total,
            format!(
                "page 3: the report is larger than {} bytes after decompression (decode.max_decoded_bytes)",
                total - 1
            ),
        ),
        (
            |options, rows| options.rules.max_rows = Some(rows),
            3,
            "page 3: more than 2 records (rules.max_rows)".to_owned(),
        ),
    ];
    for (limit, enough, expected) in limits {
        let complete = server().await;
        assert_eq!(
            units_of(&limited(&complete, limit, enough), "P3").await,
            Some(3)
        );
        let limited_server = server().await;
        let problem = malformed(&limited(&limited_server, limit, enough - 1)).await;
        assert_eq!(problem, expected);
    }
}

#[tokio::test]
async fn compressed_pages_count_with_their_decoded_size() {
    let server = ScriptedServer::start(|number, _| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let padding = " ".repeat(10_000);
        write!(encoder, "{}{padding}", page(number, 3)).unwrap();
        Response::ok(encoder.finish().unwrap()).with("Content-Encoding", "gzip")
    })
    .await;
    let mut options = cursor_options(&server);
    options.decode.max_bytes = 5_000;
    options.decode.max_decoded_bytes = 25_000;
    assert_eq!(
        malformed(&feed_of(options)).await,
        "page 3: the report is larger than 25000 bytes after decompression (decode.max_decoded_bytes)"
    );
}

#[tokio::test]
async fn retries_are_those_of_each_page() {
    // Each page fails once.
    let server = ScriptedServer::start(|number, _| match number % 2 {
        1 => Response::new(503, ""),
        _ => Response::ok(page(number / 2, 3)),
    })
    .await;
    let mut options = cursor_options(&server);
    options.retries = 1;
    assert_eq!(units_of(&feed_of(options), "P3").await, Some(3));
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn failure_of_a_page_is_that_of_the_report() {
    let failing = |status: u16| {
        ScriptedServer::start(move |number, _| match number {
            1 => Response::ok(page(1, 3)),
            _ => Response::new(status, "").with("Retry-After", "60"),
        })
    };
    let server = failing(404).await;
    let problem = unavailable(&feed_of(cursor_options(&server))).await;
    assert_eq!(problem, "page 2: the vendor responded with 404 Not Found");
    let server = failing(429).await;
    let failure = feed_of(cursor_options(&server)).fetch().await.unwrap_err();
    assert_eq!(
        failure.retry_after().unwrap().span(),
        Duration::from_mins(1)
    );
    assert_eq!(
        failure.to_string(),
        "page 2: the vendor responded with 429 Too Many Requests (Retry-After: 60 s)"
    );
    for (status, detail) in [
        (204, "204 No Content; there is no report"),
        (
            206,
            "206 Partial Content; a part of the report, which was not requested",
        ),
        (202, "202 Accepted; the report is not ready"),
    ] {
        let server = failing(status).await;
        let problem = unavailable(&feed_of(cursor_options(&server))).await;
        assert_eq!(
            problem,
            format!("page 2: the vendor responded with {detail}")
        );
    }
}

#[tokio::test]
async fn timeout_covers_all_pages() {
    let server = ScriptedServer::start(|number, _| {
        std::thread::sleep(Duration::from_millis(150));
        Response::ok(page(number, 1_000))
    })
    .await;
    let mut options = cursor_options(&server);
    options.timeout = Duration::from_millis(400);
    let problem = unavailable(&feed_of(options)).await;
    assert!(
        problem.starts_with("no complete response of page "),
        "{problem}"
    );
    assert!(problem.ends_with(" within 400ms"), "{problem}");
}

#[tokio::test]
async fn times_are_the_earliest_of_all_pages() {
    let at = |minute: u64| format!("Mon, 23 Nov 2026 12:{minute:02}:00 GMT");
    let server = ScriptedServer::start(move |number, _| {
        // The second page is the oldest.
        let minute = [30, 10, 20][number - 1];
        let items = if number < 3 {
            format!(r#"{{"productId":"P{number}","quantity":1}}"#)
        } else {
            String::new()
        };
        let body = format!(r#"{{"as_of":"2026-11-23T11:{minute}:00Z","items":[{items}]}}"#);
        Response::ok(body)
            .with("Date", &at(minute + 2))
            .with("Last-Modified", &at(minute + 1))
            .with("Age", &minute.to_string())
    })
    .await;
    let mut options = paged_options(&server.url("/"), by_number(1), None);
    options.format = FormatOptions::Json(JsonOptions {
        items: "/items".to_owned(),
        items_are: JsonItems::List,
        as_of: Some(AsOfOptions {
            field: "/as_of".to_owned(),
            format: AsOfFormat::Rfc3339,
            zone: None,
        }),
    });
    let fetched = feed_of(options).fetch().await.unwrap();
    let instant = |text: &str| Timestamp::parse_rfc3339(text).ok();
    assert_eq!(fetched.report.as_of(), instant("2026-11-23T11:10:00Z"));
    assert_eq!(fetched.times.date, instant("2026-11-23T12:12:00Z"));
    assert_eq!(fetched.times.last_modified, instant("2026-11-23T12:11:00Z"));
    assert_eq!(fetched.times.age, Some(Duration::from_secs(30)));
}
