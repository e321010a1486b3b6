//! Samples of fetches.

use std::fs;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use domain::identifiers::ProductId;
use domain::ports::VendorFeed;
use domain::refusal::MAX_KEPT_REFUSALS;
use mock_vendor::Fault;
use tempfile::TempDir;
use vendor_feeds::{
    Column, CsvOptions, FormatOptions, Header, MAX_SAMPLED, ProductIdField, QuantityField, Sample,
    SampledField, SampledRecord, Sampler, Source,
};

use super::pages::{by_number, paged_options};
use super::scripted::{Response, ScriptedServer};
use super::{feed, feed_of, options_of, vendor};

/// 2025-01-01T00:00:00Z.
const MODIFIED_S: u64 = 1_735_689_600;

/// Fetches a CSV file with the columns SKU and Qty, and returns the sample and the error of a refused report.
async fn sample_of(rows: &str) -> (Sample, Option<String>) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stock.csv");
    fs::write(&path, format!("SKU,Qty\n{rows}")).unwrap();
    // A recent file would be looked at twice.
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    let mut options = options_of(Source::File { path });
    options.format = FormatOptions::Csv(CsvOptions {
        delimiter: b',',
        quote: b'"',
        header: Header::Row(NonZeroU32::MIN),
        skip_rows: None,
    });
    let column = |name: &str| Column::Name(name.to_owned());
    options.fields.product_id = ProductIdField::new(column("SKU"));
    options.fields.quantity = QuantityField::new(column("Qty"));
    let sampler = Sampler::default();
    let feed = feed_of(options).with_sampler(sampler.clone());
    let error = feed.fetch().await.err();
    (sampler.sample(), error.map(|error| error.to_string()))
}

fn record(place: &str, values: [Option<&str>; 2], read: Option<(&str, u32)>) -> SampledRecord {
    let fields = ["SKU", "Qty"]
        .into_iter()
        .zip(values)
        .map(|(column, value)| SampledField {
            column: column.to_owned(),
            value: value.map(str::to_owned),
        });
    SampledRecord {
        place: place.to_owned(),
        fields: fields.collect(),
        read: read.map(|(product, units)| (ProductId::parse(product).unwrap(), units)),
    }
}

#[tokio::test]
async fn first_records_are_kept_with_their_values() {
    let rows: Vec<String> = (1..=9)
        .map(|number| format!("00{number},{number}.0\n"))
        .collect();
    let (sample, error) = sample_of(&rows.concat()).await;
    assert_eq!(error, None);
    assert_eq!(sample.first.len(), MAX_SAMPLED);
    assert_eq!(
        sample.first[1],
        record(
            "line 3",
            [Some(r#""002""#), Some(r#""2.0""#)],
            Some(("002", 2))
        )
    );
    assert_eq!(sample.records, 9);
    assert_eq!(sample.refused.count(), 0);
    assert_eq!(sample.file.as_deref(), Some("stock.csv"));
    assert_eq!(
        sample.bytes,
        Some("SKU,Qty\n".len() as u64 + 9 * "001,1.0\n".len() as u64)
    );
    assert!(sample.times.is_file_time && sample.times.last_modified.is_some());
}

#[tokio::test]
async fn refused_report_has_a_sample_and_the_first_refused_records() {
    let rows: Vec<String> = (0..30).map(|number| format!("p{number},none\n")).collect();
    let (sample, error) = sample_of(&format!("a,1\n{}", rows.concat())).await;
    assert!(error.unwrap().contains("and 29 more records"));
    assert_eq!(
        sample.first[0].read,
        Some((ProductId::parse("a").unwrap(), 1))
    );
    assert_eq!(
        sample.first[1],
        record("line 3", [Some(r#""p0""#), Some(r#""none""#)], None)
    );
    assert_eq!(sample.records, 31);
    assert_eq!(sample.refused.count(), 30);
    assert_eq!(sample.refused.kept().len(), MAX_KEPT_REFUSALS);
}

#[tokio::test]
async fn each_fetch_replaces_the_sample_of_the_last() {
    let vendor = vendor();
    let sampler = Sampler::default();
    let feed = feed(&vendor.url()).with_sampler(sampler.clone());
    feed.fetch().await.unwrap();
    let first = sampler.sample();
    assert_eq!((first.records, first.file), (2, None));
    assert_eq!(first.first[1].fields[0].value.as_deref(), Some(r#""2""#));
    assert_eq!(first.first[1].fields[1].value.as_deref(), Some("100"));
    vendor.set_stock([("2", 7)]);
    feed.fetch().await.unwrap();
    assert_eq!(sampler.sample().records, 1);
    vendor.set_fault(Fault::Status { status: 500 });
    feed.fetch().await.unwrap_err();
    assert_eq!(sampler.sample(), Sample::default());
}

#[tokio::test]
async fn records_of_pages_have_the_page_in_their_place() {
    let server = ScriptedServer::start(|_, request| {
        let page = request.param("page").unwrap();
        let items = format!(r#"[{{"productId":"P{page}","quantity":1}}]"#);
        Response::ok(format!(r#"{{"items":{items},"total":2}}"#))
    })
    .await;
    let sampler = Sampler::default();
    let options = paged_options(&server.url("/stock"), by_number(1), Some("/total"));
    let feed = feed_of(options).with_sampler(sampler.clone());
    feed.fetch().await.unwrap();
    let first = sampler.sample().first.into_iter();
    let places: Vec<String> = first.map(|record| record.place).collect();
    assert_eq!(places, ["page 1, item 1", "page 2, item 1"]);
}
