//! Reports in pages, of each type, and pages that cannot be those of one report.

use std::fmt::Write as _;

use domain::identifiers::ProductId;
use domain::ports::VendorFeed as _;
use proptest::prelude::*;
use vendor_feeds::{
    Column, CsvOptions, Duplicates, FeedOptions, FormatOptions, Header, HttpOptions, JsonItems,
    JsonOptions, PageKind, PageOptions, PageSize, PageTotal, ProductIdField, QuantityField,
    SourceFeed, XmlOptions,
};

use super::scripted::{Request, Response, ScriptedServer};
use super::{feed_of, http_options, malformed, units_of};

/// The records of a vendor: product and units.
type Stock = Vec<(String, u32)>;

fn stock(products: usize) -> Stock {
    let products = 0..products;
    products
        .map(|number| (format!("P{number}"), u32::try_from(number).unwrap() * 10))
        .collect()
}

pub(crate) fn size(records: u64) -> PageSize {
    PageSize {
        records,
        param: Some("limit".to_owned()),
    }
}

pub(crate) fn by_number(records: u64) -> PageKind {
    PageKind::Number {
        param: "page".to_owned(),
        first: 1,
        size: size(records),
    }
}

fn by_offset(records: u64) -> PageKind {
    PageKind::Offset {
        param: "offset".to_owned(),
        is_combined: false,
        size: size(records),
    }
}

pub(crate) fn by_cursor() -> PageKind {
    PageKind::Cursor {
        next: "/next".to_owned(),
        param: "cursor".to_owned(),
    }
}

fn by_body() -> PageKind {
    PageKind::LinkBody {
        next: "/next".to_owned(),
    }
}

/// Reads the items at `/items`.
pub(crate) fn with_items(options: &mut FeedOptions) {
    options.format = FormatOptions::Json(JsonOptions {
        items: "/items".to_owned(),
        items_are: JsonItems::List,
        as_of: None,
    });
}

pub(crate) fn paged_options(url: &str, kind: PageKind, total: Option<&str>) -> FeedOptions {
    let mut options = http_options(url, |http: &mut HttpOptions| {
        http.pages = Some(PageOptions {
            kind,
            total: total.map(|field| PageTotal::Field(field.to_owned())),
        });
    });
    with_items(&mut options);
    options
}

fn paged_feed(server: &ScriptedServer, kind: PageKind, total: Option<&str>) -> SourceFeed {
    feed_of(paged_options(&server.url("/stock"), kind, total))
}

fn json_items(records: &[(String, u32)]) -> String {
    let items = records
        .iter()
        .map(|(product, units)| format!(r#"{{"productId":"{product}","quantity":{units}}}"#));
    items.collect::<Vec<_>>().join(",")
}

/// A document with records, and other members.
fn json(records: &[(String, u32)], others: &str) -> String {
    format!(r#"{{"items":[{}]{others}}}"#, json_items(records))
}

fn number(request: &Request, param: &str) -> Option<usize> {
    request.param(param).map(|value| value.parse().unwrap())
}

/// The part of the stock that a request asks for, and the position behind it, if the vendor counts in pages of `size`.
fn part(stock: &Stock, request: &Request, size: usize) -> (Stock, Option<usize>) {
    let start = number(request, "offset")
        .or_else(|| number(request, "cursor"))
        .or_else(|| number(request, "page").map(|page| (page - 1) * size))
        .unwrap_or(0)
        .min(stock.len());
    let end = (start + size).min(stock.len());
    let next = (end < stock.len()).then_some(end);
    (stock[start..end].to_vec(), next)
}

/// A vendor that supports all types of paging.
async fn vendor(stock: Stock, size: usize) -> ScriptedServer {
    ScriptedServer::start(move |_, request| {
        let (records, next) = part(&stock, request, size);
        let total = stock.len();
        let by_link = request.target.starts_with("/link");
        let next_member = match next {
            None => String::new(),
            Some(next) if by_link => format!(r#","next":"/link?offset={next}""#),
            Some(next) => format!(r#","next":"{next}""#),
        };
        let response = Response::ok(json(&records, &format!(r#"{next_member},"total":{total}"#)));
        match next.filter(|_| by_link) {
            Some(next) => response.with("Link", &format!("</link?offset={next}>; rel=\"next\"")),
            None => response,
        }
    })
    .await
}

async fn read(feed: &SourceFeed) -> Stock {
    let report = feed.fetch().await.unwrap().report;
    let quantities = report.quantities().iter();
    quantities
        .map(|(product, units)| (product.as_str().to_owned(), *units))
        .collect()
}

#[tokio::test]
async fn each_type_reads_all_pages() {
    let server = vendor(stock(5), 2).await;
    let url = |path: &str| server.url(path);
    for (path, kind, total) in [
        ("/link", PageKind::LinkHeader, None),
        ("/link", by_body(), None),
        ("/stock", by_cursor(), None),
        ("/stock", by_number(2), None),
        ("/stock", by_offset(2), None),
        ("/link", PageKind::LinkHeader, Some("/total")),
        ("/stock", by_cursor(), Some("/total")),
        ("/stock", by_number(2), Some("/total")),
        ("/stock", by_offset(2), Some("/total")),
    ] {
        let before = server.requests().len();
        let feed = feed_of(paged_options(&url(path), kind.clone(), total));
        assert_eq!(read(&feed).await, stock(5), "{kind:?}");
        assert_eq!(server.requests().len() - before, 3, "{kind:?}");
    }
    let targets = server.targets();
    assert_eq!(targets[..3], ["/link", "/link?offset=2", "/link?offset=4"]);
    assert_eq!(
        targets[6..9],
        ["/stock", "/stock?cursor=2", "/stock?cursor=4"]
    );
    assert_eq!(targets[9], "/stock?page=1&limit=2");
    assert_eq!(targets[14], "/stock?offset=4&limit=2");
}

#[tokio::test]
async fn last_page_may_be_full_or_empty() {
    for products in [0, 1, 2, 4] {
        let server = vendor(stock(products), 2).await;
        for kind in [by_number(2), by_offset(2), by_cursor()] {
            for total in [None, Some("/total")] {
                let feed = paged_feed(&server, kind.clone(), total);
                assert_eq!(read(&feed).await, stock(products), "{kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn pages_of_other_formats_are_read() {
    let column = |name: &str| Column::Name(name.to_owned());
    let server = ScriptedServer::start(|_, request| {
        let (records, _) = part(&stock(5), request, 2);
        let mut csv = "sku,qty\n".to_owned();
        for (product, units) in records {
            writeln!(csv, "{product},{units}").unwrap();
        }
        Response::ok(csv)
    })
    .await;
    let mut options = paged_options(&server.url("/"), by_number(2), None);
    options.format = FormatOptions::Csv(CsvOptions {
        delimiter: b',',
        quote: b'"',
        header: Header::Row(1.try_into().unwrap()),
        skip_rows: None,
    });
    options.fields.product_id = ProductIdField::new(column("sku"));
    options.fields.quantity = QuantityField::new(column("qty"));
    assert_eq!(read(&feed_of(options)).await, stock(5));

    let server = ScriptedServer::start(|_, request| {
        let (records, next) = part(&stock(5), request, 2);
        let items = records
            .iter()
            .map(|(product, units)| format!("<item sku='{product}'><qty>{units}</qty></item>"));
        let next = next.map_or(String::new(), |next| {
            format!("<link rel='x'/><next>?offset={next}&amp;x=1</next>")
        });
        let items: String = items.collect();
        Response::ok(format!(
            "<stock total='5'>{next}<items>{items}</items></stock>"
        ))
    })
    .await;
    let next = "/stock/next".to_owned();
    let kind = PageKind::LinkBody { next };
    let mut options = paged_options(&server.url("/"), kind, Some("/stock/@total"));
    options.format = FormatOptions::Xml(XmlOptions {
        items: "/stock/items/item".to_owned(),
        as_of: None,
    });
    options.fields.product_id = ProductIdField::new(column("@sku"));
    options.fields.quantity = QuantityField::new(column("qty"));
    assert_eq!(read(&feed_of(options)).await, stock(5));
    assert_eq!(server.targets(), ["/", "/?offset=2&x=1", "/?offset=4&x=1"]);
}

/// Returns the problem of a report whose pages have these bodies.
async fn problem_of(kind: PageKind, total: Option<&str>, bodies: &[String]) -> String {
    let bodies = bodies.to_vec();
    let server = ScriptedServer::start(move |number, _| Response::ok(bodies[number - 1].clone()));
    malformed(&paged_feed(&server.await, kind, total)).await
}

#[tokio::test]
async fn pages_that_cannot_be_those_of_one_report_are_refused() {
    let all = stock(4);
    let page = |from: usize, to: usize, others: &str| json(&all[from..to], others);
    let repeated = [page(0, 2, r#","next":"a""#), page(2, 4, r#","next":"a""#)];
    assert_eq!(
        problem_of(by_cursor(), None, &repeated).await,
        "page 2: the cursor of the next page is that of an earlier page: a (source.pages.param is cursor)"
    );
    let changed = [page(0, 2, r#","total":4"#), page(2, 4, r#","total":5"#)];
    assert_eq!(
        problem_of(by_offset(2), Some("/total"), &changed).await,
        "page 2: the number of records changed from 4 to 5 (source.pages.total): the report changed while it was read"
    );
    let short = [page(0, 2, r#","total":5"#), page(2, 3, r#","total":5"#)];
    assert_eq!(
        problem_of(by_offset(2), Some("/total"), &short).await,
        "page 2: it has 1 records, fewer than source.pages.size, which is 2, but 3 of 5 records were read"
    );
    let error = [page(0, 2, ""), r#"{"error":"rate limit"}"#.to_owned()];
    assert_eq!(
        problem_of(by_number(2), None, &error).await,
        r#"page 2: /items is missing, expected a list; it begins with {"error":"rate limit"}"#
    );
    let html = [page(0, 2, ""), "<html>Sign in".to_owned()];
    assert_eq!(
        problem_of(by_number(2), None, &html).await,
        "page 2: the document is HTML or XML, expected JSON; it begins with <html>Sign in"
    );
    let invalid = [
        page(0, 2, ""),
        r#"{"items":[{"productId":"X","quantity":-1}]}"#.to_owned(),
    ];
    assert_eq!(
        problem_of(by_number(2), None, &invalid).await,
        "page 2, item 1: /quantity is -1, below 0 (rules.negative = \"zero\" would read it as 0)"
    );
}

#[tokio::test]
async fn product_on_two_pages_is_governed_by_the_rules() {
    let pages = || {
        ScriptedServer::start(|_, request| match request.param("page") {
            Some("1") => Response::ok(
                r#"{"items":[{"productId":"A","quantity":1},{"productId":"B","quantity":2}]}"#,
            ),
            _ => Response::ok(r#"{"items":[{"productId":"B","quantity":5}]}"#),
        })
    };
    let server = pages().await;
    let with = |duplicates| {
        let mut options = paged_options(&server.url("/"), by_number(2), None);
        options.rules.duplicates = duplicates;
        feed_of(options)
    };
    let problem = malformed(&with(Duplicates::Error)).await;
    assert!(
        problem.starts_with("page 2, item 1: /productId is \"B\", listed twice"),
        "{problem}"
    );
    assert_eq!(units_of(&with(Duplicates::Sum), "B").await, Some(7));
    assert_eq!(units_of(&with(Duplicates::Last), "B").await, Some(5));
}

#[tokio::test]
async fn vendor_that_repeats_a_page_is_refused_whatever_the_rules() {
    // One ignores the number of the page, the other repeats its last page.
    for is_last_repeated in [false, true] {
        let server = ScriptedServer::start(move |number, _| {
            let page = if is_last_repeated { number.min(2) } else { 1 };
            let records = [(format!("A{page}"), 1), (format!("B{page}"), 2)];
            Response::ok(json(&records, ""))
        })
        .await;
        let mut options = paged_options(&server.url("/"), by_number(2), None);
        options.rules.duplicates = Duplicates::Last;
        let problem = malformed(&feed_of(options)).await;
        let page = if is_last_repeated { 3 } else { 2 };
        let expected = format!("page {page}: it has the same records as an earlier page");
        assert!(problem.starts_with(&expected), "{problem}");
    }
}

#[tokio::test]
async fn response_that_is_a_page_is_refused_without_the_setting() {
    let server = vendor(stock(5), 2).await;
    let mut options = http_options(&server.url("/link"), |_| {});
    with_items(&mut options);
    assert_eq!(
        malformed(&feed_of(options)).await,
        "the response is one page of several: the header Link has the relation next (source.pages states how the others \
         are requested)"
    );
}

#[test]
fn fields_of_pages_are_checked_with_the_format() {
    let problem = |change: &dyn Fn(&mut FeedOptions), next: &str, total: Option<&str>| {
        let kind = PageKind::LinkBody {
            next: next.to_owned(),
        };
        let mut options = paged_options("http://127.0.0.1/", kind, total);
        change(&mut options);
        let feed = SourceFeed::new(options, std::sync::Arc::new(clock_tokio::SystemClock));
        feed.unwrap_err().to_string()
    };
    let json = |_: &mut FeedOptions| {};
    let inside = "which contains the items or another field, or is inside it";
    for (next, total, setting) in [
        ("/items/0", None, "next is \"/items/0\""),
        ("", None, "next is \"\""),
        ("/a", Some("/a/b"), "total is \"/a/b\""),
        ("/a", Some("/a"), "total is \"/a\""),
    ] {
        let expected = format!("source.pages.{setting}, {inside}");
        assert_eq!(problem(&json, next, total), expected);
    }
    let invalid = problem(&json, "next", None);
    assert_eq!(
        invalid,
        "source.pages.next is \"next\", which is not a JSON pointer"
    );
    let ndjson = |options: &mut FeedOptions| options.format = FormatOptions::Ndjson;
    assert_eq!(
        problem(&ndjson, "/next", None),
        "source.pages.next is set, but only JSON and XML documents have such a field"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn split_into_pages_does_not_change_the_report(products in 0_usize..40, size in 1_usize..9, kind in 0_usize..5, with_total: bool) {
        let records = u64::try_from(size).unwrap();
        let kinds = [PageKind::LinkHeader, by_body(), by_cursor(), by_number(records), by_offset(records)];
        let path = if kind < 2 { "/link" } else { "/stock" };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let quantities = runtime.block_on(async {
            let server = vendor(stock(products), size).await;
            let total = with_total.then_some("/total");
            let options = paged_options(&server.url(path), kinds[kind].clone(), total);
            feed_of(options).fetch().await.map(|fetched| fetched.report)
        });
        let report = quantities.unwrap();
        prop_assert_eq!(report.quantities().len(), products);
        for (product, units) in stock(products) {
            prop_assert_eq!(report.quantity_of(&ProductId::parse(&product).unwrap()), Some(units));
        }
    }
}
