//! The size of a report, and the records that refuse it.

use std::fmt::Write as _;

use domain::ports::{FeedError, MalformedReport, VendorFeed as _};
use domain::refusal::Refusal;
use domain::run::ReportSize;
use vendor_feeds::{
    Column, CsvOptions, FormatOptions, Header, ProductIdField, QuantityField, SourceFeed,
};

use super::canned::CannedServer;
use super::decoding::gzip;
use super::feed_with;

const GZIP: &str = "Content-Encoding: gzip\r\n";

fn csv_feed(url: &str) -> SourceFeed {
    feed_with(url, |options| {
        options.format = FormatOptions::Csv(CsvOptions {
            delimiter: b';',
            quote: b'"',
            header: Header::Row(std::num::NonZeroU32::MIN),
            skip_rows: None,
        });
        options.fields.product_id = ProductIdField::new(Column::Name("SKU".to_owned()));
        options.fields.quantity = QuantityField::new(Column::Name("Qty".to_owned()));
        options.rules.max_rows = Some(100);
    })
}

async fn malformed(body: &[u8]) -> MalformedReport {
    let server = CannedServer::start_with_body("200 OK", GZIP, body).await;
    match csv_feed(&server.url()).fetch().await {
        Err(FeedError::Malformed(malformed)) => malformed,
        other => panic!("expected a malformed report, got {other:?}"),
    }
}

fn size(body: &[u8], rows: Option<u64>) -> ReportSize {
    ReportSize {
        bytes: Some(body.len() as u64),
        rows,
    }
}

#[tokio::test]
async fn size_is_that_of_the_transfer_and_of_all_records() {
    let body = gzip(b"SKU;Qty\n1;5\n2;0\n3;7\n");
    let server = CannedServer::start_with_body("200 OK", GZIP, &body).await;
    let fetched = csv_feed(&server.url()).fetch().await.unwrap();
    assert_eq!(fetched.size, size(&body, Some(3)));
    assert_eq!(fetched.report.quantities().len(), 3);
}

#[tokio::test]
async fn first_refused_records_are_returned_with_the_number_of_all() {
    let mut text = "SKU;Qty\n1;5\n2;many\n;3\n".to_owned();
    for number in 0..30 {
        writeln!(text, "x{number};-1").unwrap();
    }
    let body = gzip(text.as_bytes());
    let malformed = malformed(&body).await;
    assert_eq!(malformed.size, size(&body, Some(33)));
    let refused = malformed.refused;
    assert_eq!((refused.kept().len(), refused.count()), (20, 32));
    let first = Refusal {
        place: "line 3".to_owned(),
        column: "Qty".to_owned(),
        value: Some("\"many\"".to_owned()),
        rule: "which is not a number (fields.quantity.words can state what it means)".to_owned(),
    };
    assert_eq!(refused.kept()[0], first);
    assert_eq!(refused.kept()[1].column, "SKU");
    assert_eq!(
        refused.kept()[2].rule,
        "below 0 (rules.negative = \"zero\" would read it as 0)"
    );
    assert_eq!(malformed.problem, format!("{first}; and 31 more records"));
}

#[tokio::test]
async fn document_that_cannot_be_read_to_its_end_has_no_number_of_records() {
    let mut many = "SKU;Qty\n".to_owned();
    for number in 0..101 {
        writeln!(many, "{number};1").unwrap();
    }
    for text in [many.as_str(), "SKU;Other\n1;5\n"] {
        let body = gzip(text.as_bytes());
        let malformed = malformed(&body).await;
        assert_eq!(malformed.size, size(&body, None), "{malformed}");
        assert_eq!(malformed.refused.count(), 0);
    }
}
