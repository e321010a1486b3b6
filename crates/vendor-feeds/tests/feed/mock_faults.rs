//! The outcomes of feeds for each fault of a mock vendor, word for word.

use std::time::Duration;

use domain::ports::VendorFeed;
use mock_vendor::script::ScriptedVendor;
use vendor_feeds::{
    AsOfFormat, AsOfOptions, Duplicates, FeedOptions, FormatOptions, Fraction, JsonItems,
    JsonOptions, Negative,
};

use super::feed_with;
use super::mock_formats::{Case, csv, json, ndjson, read, xlsx, xml};

/// Two products.
const STOCK: &str = "stock = { 'A-1' = 5, 'B-2' = 7 }";

/// Starts a vendor whose documents have a fault.
fn start(case: &Case, fault: &str) -> ScriptedVendor {
    case.start(&format!(
        "{STOCK}\n[[vendors.steps]]\nfault = {{ {fault} }}"
    ))
}

/// The quantities or the error of a feed of a vendor with this fault.
async fn outcome_with(case: Case, fault: &str, change: impl FnOnce(&mut FeedOptions)) -> String {
    let vendor = start(&case, fault);
    let url = vendor.url().unwrap();
    let found = read(&url, |options| {
        case.apply(options);
        options.timeout = Duration::from_millis(500);
        change(options);
    });
    found.await
}

async fn outcome(case: Case, fault: &str) -> String {
    outcome_with(case, fault, |_| {}).await
}

const WHOLE: &str = "A-1=5 B-2=7";

#[tokio::test]
async fn quantities_that_are_no_units_are_refused() {
    let of_json = [
        (
            "kind = 'quantity', value = '13,75'",
            "item 1: /quantity is \"13,75\", which is not a number (fields.quantity.decimal and .thousands state how numbers are written)",
        ),
        (
            "kind = 'quantity', value = '1.234'",
            "item 1: /quantity is \"1.234\", not an integer (rules.fraction = \"floor\" would round it down)",
        ),
        (
            "kind = 'quantity', value = '10+'",
            "item 1: /quantity is \"10+\", which is not a number (fields.quantity.words can state what it means)",
        ),
        (
            "kind = 'quantity', value = 'Y', product = 'B-2'",
            "item 2: /quantity is \"Y\", which is not a number (fields.quantity.words can state what it means)",
        ),
        (
            "kind = 'quantity', value = ''",
            "item 1: /quantity is \"\", which is not a number (fields.quantity.words can state what it means)",
        ),
        (
            "kind = 'raw_quantity', value = 'null'",
            "item 1: /quantity is null, expected a number",
        ),
        (
            "kind = 'raw_quantity', value = '1e999'",
            "item 1: /quantity is 1e999, expected a number",
        ),
        (
            "kind = 'quantity', value = -3",
            "item 1: /quantity is -3, below 0 (rules.negative = \"zero\" would read it as 0)",
        ),
        (
            "kind = 'duplicate'",
            "item 2: /productId is \"A-1\", listed twice (rules.duplicates = \"sum\" would add the quantities, \"last\" would take the last)",
        ),
    ];
    for (fault, problem) in of_json {
        let problem = format!("the report is malformed: {problem}");
        assert_eq!(outcome(json(), fault).await, problem, "{fault}");
        // The same texts are no numbers in a cell or an element, except for those that JSON writes as they are.
        if !fault.contains("raw") {
            for (case, column, id, place) in [
                (csv(), "quantity", "sku", "line"),
                (xlsx(), "quantity", "sku", "row"),
                (xml(), "stock/free", "@sku", "item"),
            ] {
                let header = u32::from(place != "item");
                let problem = problem
                    .replace("/quantity", column)
                    .replace("/productId", id)
                    .replace("item 1", &format!("{place} {}", 1 + header))
                    .replace("item 2", &format!("{place} {}", 2 + header));
                let found = outcome(case.clone(), fault).await;
                let typed = problem.replace("\"-3\"", "-3");
                assert_eq!(
                    found.replace("\"-3\"", "-3"),
                    typed,
                    "{fault} {}",
                    case.script
                );
            }
        }
    }
}

#[tokio::test]
async fn integers_are_read_however_they_are_written() {
    for fault in [
        "kind = 'quantity', value = 4.0",
        "kind = 'quantity', value = '4'",
        "kind = 'quantity', value = '4.0'",
    ] {
        for case in [json(), ndjson(), csv(), xlsx(), xml()] {
            let place = format!("{fault} {}", case.script);
            assert_eq!(outcome(case, fault).await, "A-1=4 B-2=7", "{place}");
        }
    }
}

#[tokio::test]
async fn settings_that_errors_name_accept_the_values() {
    let change = |options: &mut FeedOptions| {
        options.fields.quantity.words = [("10+", 10), ("Y", 1), ("", 0)]
            .map(|(word, units)| (word.to_owned(), units))
            .into();
        options.rules.negative = Negative::Zero;
        options.rules.fraction = Fraction::Floor;
        options.rules.duplicates = Duplicates::Sum;
    };
    for (fault, expected) in [
        ("kind = 'quantity', value = '10+'", "A-1=10 B-2=7"),
        ("kind = 'quantity', value = 'Y'", "A-1=1 B-2=7"),
        ("kind = 'quantity', value = ''", "A-1=0 B-2=7"),
        ("kind = 'quantity', value = -3", "A-1=0 B-2=7"),
        ("kind = 'quantity', value = '1.234'", "A-1=1 B-2=7"),
        ("kind = 'duplicate'", "A-1=10 B-2=7"),
    ] {
        for case in [json(), csv(), xlsx(), xml()] {
            let place = format!("{fault} {}", case.script);
            assert_eq!(outcome_with(case, fault, change).await, expected, "{place}");
        }
    }
}

#[tokio::test]
async fn faults_in_fields_that_are_not_read_change_nothing() {
    for (fault, cases) in [
        ("kind = 'lone_surrogate'", [json(), ndjson()].as_slice()),
        ("kind = 'huge_number'", &[json(), ndjson()]),
        ("kind = 'bom'", &[json(), ndjson(), csv(), xml()]),
    ] {
        for case in cases {
            let found = outcome(case.clone(), fault).await;
            assert_eq!(found, WHOLE, "{fault} {}", case.script);
        }
    }
}

#[tokio::test]
async fn documents_of_another_kind_are_named() {
    let html = "it begins with <!DOCTYPE html>\\n<html><head><title>Sign in</title></head><body>Your session ha…";
    let notice = "it begins with <br />\\n<b>Notice</b>:  Undefined index: stock in <b>/var/www/export.php</b> on…";
    let error = r#"it begins with {"error":{"code":"rate_limited","message":"Too many requests"}}"#;
    for (case, fault, problem) in [
        (
            json(),
            "kind = 'object'",
            "the document is an object, expected a list (format.single = true reads it as one item, format.items_are = \"values\" reads its values as items); it begins with {\"productId\":\"A-1\",\"title\":\"Product A-1\",\"quantity\":5}".to_owned(),
        ),
        (
            json(),
            "kind = 'php_map'",
            "the document is an object, expected a list (format.single = true reads it as one item, format.items_are = \"values\" reads its values as items); it begins with {\"0\":{\"productId\":\"A-1\",\"title\":\"Product A-1\",\"quantity\":5},\"1\":{\"productId\":\"B…".to_owned(),
        ),
        (
            json(),
            "kind = 'html'",
            format!("the document is HTML or XML, expected JSON; {html}"),
        ),
        (
            csv(),
            "kind = 'html'",
            format!("the document is HTML or XML, expected CSV; {html}"),
        ),
        (
            xlsx(),
            "kind = 'html'",
            format!("the document is HTML or XML, expected an .xlsx workbook; {html}"),
        ),
        (
            json(),
            "kind = 'php_notice'",
            format!("the document is HTML or XML, expected JSON; {notice}"),
        ),
        (
            csv(),
            "kind = 'php_notice'",
            format!("the document is HTML or XML, expected CSV; {notice}"),
        ),
        (
            json(),
            "kind = 'error_object'",
            format!("the document is an object, expected a list (format.single = true reads it as one item, format.items_are = \"values\" reads its values as items); {error}"),
        ),
        (
            csv(),
            "kind = 'error_object'",
            format!("the document is JSON, expected CSV; {error}"),
        ),
        (json(), "kind = 'body', body = ''", "the document is empty".to_owned()),
        (
            json(),
            "kind = 'invalid_byte'",
            "the text is not valid UTF-8 at the byte offset 31: F6 (decode.charset states another encoding)".to_owned(),
        ),
    ] {
        let found = outcome(case.clone(), fault).await;
        let expected = format!("the report is malformed: {problem}");
        assert_eq!(found, expected, "{fault} {}", case.script);
    }
}

#[tokio::test]
async fn a_php_map_is_read_as_values() {
    let found = outcome_with(json(), "kind = 'php_map'", |options| {
        options.format = FormatOptions::Json(JsonOptions {
            items: String::new(),
            items_are: JsonItems::Values,
            as_of: None,
        });
    });
    assert_eq!(found.await, WHOLE);
}

#[tokio::test]
async fn responses_without_a_whole_report_are_unavailable() {
    for (fault, problem) in [
        (
            "kind = 'status', status = 202",
            "the vendor responded with 202 Accepted; the report is not ready",
        ),
        (
            "kind = 'status', status = 204",
            "the vendor responded with 204 No Content; there is no report",
        ),
        (
            "kind = 'status', status = 206",
            "the vendor responded with 206 Partial Content; a part of the report, which was not requested",
        ),
        (
            "kind = 'status', status = 304",
            "the vendor responded with 304 Not Modified, but the request has no condition",
        ),
        (
            "kind = 'status', status = 503",
            "the vendor responded with 503 Service Unavailable",
        ),
        (
            "kind = 'retry_after', value = '120'",
            "the vendor responded with 429 Too Many Requests (Retry-After: 120 s)",
        ),
        (
            "kind = 'slow', bytes = 1, ms = 100",
            "no complete response within 500ms",
        ),
        (
            "kind = 'delay', ms = 5000",
            "no complete response within 500ms",
        ),
        ("kind = 'stall'", "no complete response within 500ms"),
        ("kind = 'hang'", "no complete response within 500ms"),
        (
            "kind = 'truncate'",
            "the response is incomplete: end of file before message length reached",
        ),
        (
            "kind = 'content_length', add = 9",
            "the response is incomplete: end of file before message length reached",
        ),
        (
            "kind = 'content_length', add = -9",
            "the report is malformed: invalid JSON: EOF while parsing a string at line 1 column 102",
        ),
    ] {
        assert_eq!(outcome(json(), fault).await, problem, "{fault}");
    }
}

#[tokio::test]
async fn compression_and_encoding_may_change_at_any_request() {
    for change in [
        "compression = { type = 'gzip' }",
        "compression = { type = 'gzip', members = 3 }",
        "compression = { type = 'gzip', content_encoding = true }",
        "charset = 'utf-16le'",
    ] {
        let vendor = json().start(&format!(
            "{STOCK}\n[[vendors.steps]]\nrequests = 1\n[[vendors.steps]]\n{change}"
        ));
        for _ in 0..2 {
            assert_eq!(
                read(&vendor.url().unwrap(), |_| {}).await,
                WHOLE,
                "{change}"
            );
        }
    }
}

#[tokio::test]
async fn most_of_a_report_may_be_dropped() {
    let vendor = json().start(
        "products = 1000\n[[vendors.steps]]\nrequests = 1\n[[vendors.steps]]\nfault = { kind = 'drop', share = 0.8 }",
    );
    let feed = feed_with(&vendor.url().unwrap(), |options| json().apply(options));
    for expected in [1_000, 200] {
        let report = feed.fetch().await.unwrap().report;
        assert_eq!(report.quantities().len(), expected);
    }
}

#[tokio::test]
async fn as_of_in_another_notation_is_refused_or_read() {
    let case = Case {
        script: "type = 'json', items = '/items', as_of = '/as_of'",
        ..json()
    };
    let read_as_of = async |written: &str, format: AsOfFormat, zone: Option<&str>| {
        let vendor = case.start(&format!(
            "{STOCK}\nas_of = '2026-11-23T12:00:00Z'\nas_of_zone = 'Europe/Berlin'\n\
             [[vendors.steps]]\nas_of_format = '{written}'"
        ));
        let feed = feed_with(&vendor.url().unwrap(), |options| {
            case.apply(options);
            options.format = FormatOptions::Json(JsonOptions {
                items: "/items".to_owned(),
                items_are: JsonItems::List,
                as_of: Some(AsOfOptions {
                    field: "/as_of".to_owned(),
                    format,
                    zone: zone.map(str::to_owned),
                }),
            });
        });
        match feed.fetch().await {
            Ok(fetched) => fetched.report.as_of().unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    };
    let rfc3339 = || AsOfFormat::Rfc3339;
    for (written, format, zone) in [
        ("rfc3339", rfc3339(), None),
        ("unix", AsOfFormat::Unix, None),
        ("unix_ms", AsOfFormat::UnixMs, None),
        ("http_date", AsOfFormat::HttpDate, None),
        ("%Y-%m-%dT%H:%M:%S%z", rfc3339(), None),
        ("%Y-%m-%dT%H:%M:%S", rfc3339(), Some("Europe/Berlin")),
    ] {
        let found = read_as_of(written, format.clone(), zone).await;
        assert_eq!(found, "2026-11-23T12:00:00.000000Z", "{written} {format:?}");
    }
    for (written, problem) in [
        (
            "unix",
            "/as_of is 1795435200, expected a date and time such as 2026-11-23T12:00:00Z \
             (format.as_of_format states another notation)",
        ),
        (
            "http_date",
            "/as_of is \"Mon, 23 Nov 2026 12:00:00 GMT\", expected a date and time such as 2026-11-23T12:00:00Z \
             (format.as_of_format states another notation)",
        ),
        (
            "%Y-%m-%dT%H:%M:%S",
            "/as_of is \"2026-11-23T13:00:00\", without an offset (format.as_of_zone states the time zone)",
        ),
    ] {
        let found = read_as_of(written, rfc3339(), None).await;
        assert_eq!(
            found,
            format!("the report is malformed: {problem}"),
            "{written}"
        );
    }
}
