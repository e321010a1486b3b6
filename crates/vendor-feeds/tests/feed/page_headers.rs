//! Pages of vendors that state the number of records in a header, or the place of a page in one parameter.

use std::num::NonZeroU32;
use std::sync::Arc;

use clock_tokio::SystemClock;
use vendor_feeds::{
    Column, CsvOptions, FeedOptions, FormatOptions, Header, InvalidOptions, PageKind, PageOptions,
    PageSize, PageTotal, SkipRows, SourceFeed,
};

use super::pages::{by_number, with_items};
use super::scripted::{Response, ScriptedServer};
use super::{feed_of, http_options, malformed};

use domain::ports::VendorFeed as _;

fn options(server: &ScriptedServer, kind: PageKind, total: Option<PageTotal>) -> FeedOptions {
    let mut options = http_options(&server.url("/stock"), |http| {
        http.pages = Some(PageOptions { kind, total });
    });
    with_items(&mut options);
    options
}

fn in_header() -> PageTotal {
    PageTotal::Header("X-WP-Total".to_owned())
}

/// A document with these products.
fn document(products: &[&str]) -> String {
    let items = products
        .iter()
        .map(|product| format!(r#"{{"productId":"{product}","quantity":1}}"#));
    format!(r#"{{"items":[{}]}}"#, items.collect::<Vec<_>>().join(","))
}

async fn products(options: FeedOptions) -> Vec<String> {
    let report = feed_of(options).fetch().await.unwrap().report;
    let products = report.quantities().keys();
    products
        .map(|product| product.as_str().to_owned())
        .collect()
}

#[tokio::test]
async fn total_in_a_header_ends_the_report() {
    let server = ScriptedServer::start(|number, _| {
        let products = [&["A", "B"], &["C", "D"]][number - 1];
        Response::ok(document(products)).with("x-wp-total", "4")
    })
    .await;
    let options = options(&server, by_number(2), Some(in_header()));
    assert_eq!(products(options).await, ["A", "B", "C", "D"]);
    // Without the total, an empty third page would have to be requested.
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn total_in_a_header_must_be_that_of_all_pages() {
    let problem = async |totals: [&'static [&'static str]; 2]| {
        let server = ScriptedServer::start(move |number, _| {
            let products = [&["A", "B"][..], &["C"][..]][number - 1];
            let mut response = Response::ok(document(products));
            for total in totals[number - 1] {
                response = response.with("X-WP-Total", total);
            }
            response
        })
        .await;
        malformed(&feed_of(options(&server, by_number(2), Some(in_header())))).await
    };
    for (totals, expected) in [
        (
            [&["4"][..], &["5"]],
            "page 2: the number of records changed from 4 to 5 (source.pages.total_header): the report changed while it was read",
        ),
        (
            [&["4"], &["4"]],
            "page 2: it has 1 records, fewer than source.pages.size, which is 2, but 3 of 4 records were read",
        ),
        (
            [&["1"], &["1"]],
            "page 1: there are 2 records so far, more than the stated 1 (source.pages.total_header)",
        ),
        (
            [&[], &[]],
            "page 1: source.pages.total_header is missing, expected a number of records",
        ),
        (
            [&["4", "5"], &[]],
            "page 1: source.pages.total_header is \"4, 5\", expected a number of records",
        ),
        (
            [&["many"], &[]],
            "page 1: source.pages.total_header is \"many\", expected a number of records",
        ),
    ] {
        assert_eq!(problem(totals).await, expected);
    }
    // The same total twice is no contradiction.
    let twice = problem([&["3", "3"], &["4"]]).await;
    assert!(twice.contains("changed from 3 to 4"), "{twice}");
}

#[tokio::test]
async fn offset_and_size_are_sent_in_one_parameter() {
    let server = ScriptedServer::start(|number, _| {
        let products = [&["A", "B"][..], &["C", "D"], &["E"]][number - 1];
        Response::ok(document(products))
    })
    .await;
    let kind = PageKind::Offset {
        param: "limit".to_owned(),
        is_combined: true,
        size: PageSize {
            records: 2,
            param: None,
        },
    };
    let options = options(&server, kind, None);
    assert_eq!(products(options).await, ["A", "B", "C", "D", "E"]);
    assert_eq!(
        server.targets(),
        [
            "/stock?limit=0%2C2",
            "/stock?limit=2%2C2",
            "/stock?limit=4%2C2"
        ]
    );
}

/// Whether the vendor counts the skipped rows is not known: the report would seem to end with their page.
#[tokio::test]
async fn rows_of_counted_pages_are_not_skipped() {
    let server = ScriptedServer::start(|_, _| Response::ok("")).await;
    let link = || PageKind::LinkHeader;
    for (kind, total, is_counted) in [
        (by_number(2), None, true),
        (link(), Some(in_header()), true),
        (link(), None, false),
    ] {
        let mut options = options(&server, kind, total);
        options.format = FormatOptions::Csv(CsvOptions {
            delimiter: b',',
            quote: b'"',
            header: Header::Row(NonZeroU32::MIN),
            skip_rows: Some(SkipRows {
                column: Column::Name("SKU".to_owned()),
                values: vec!["Total".to_owned()],
            }),
        });
        match SourceFeed::new(options, Arc::new(SystemClock)) {
            Err(InvalidOptions::Option(problem)) => {
                assert!(is_counted && problem.starts_with("format.skip_rows cannot be used with"));
            }
            created => assert!(created.is_ok() && !is_counted, "{created:?}"),
        }
    }
}
