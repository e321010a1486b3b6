//! Reads a file as the feed of a vendor.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock_tokio::SystemClock;
use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::ports::VendorFeed;
use domain::report::ReportKind;
use vendor_feeds::{
    AfterRead, Column, CsvOptions, DecodeOptions, EdiOptions, FeedOptions, FieldOptions,
    FormatOptions, Header, JsonItems, JsonOptions, ProductIdField, QuantityField, RuleOptions,
    Source, SourceFeed, XlsxOptions, XmlOptions,
};

/// Returns the number of products.
pub(crate) fn read(format: &str, path: &Path) -> usize {
    let feed = SourceFeed::new(options(format, path), Arc::new(SystemClock)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fetched = runtime.block_on(feed.fetch()).unwrap();
    fetched.report.quantities().len()
}

fn options(format: &str, path: &Path) -> FeedOptions {
    let header = Header::Row(NonZeroU32::MIN);
    let (format, product_id, quantity) = match format {
        "json" => {
            let json = JsonOptions {
                items: "/items".to_owned(),
                items_are: JsonItems::List,
                as_of: None,
            };
            (FormatOptions::Json(json), "/sku", "/qty")
        }
        "ndjson" => (FormatOptions::Ndjson, "/sku", "/qty"),
        "csv" => {
            let csv = CsvOptions {
                delimiter: b',',
                quote: b'"',
                header,
                skip_rows: None,
            };
            (FormatOptions::Csv(csv), "sku", "qty")
        }
        "xml" => {
            let xml = XmlOptions {
                items: "/stock/item".to_owned(),
                as_of: None,
            };
            (FormatOptions::Xml(xml), "sku", "qty")
        }
        "xlsx" => {
            let xlsx = XlsxOptions {
                sheet: None,
                header,
                skip_rows: None,
            };
            (FormatOptions::Xlsx(xlsx), "sku", "qty")
        }
        "x12" => (FormatOptions::X12(EdiOptions::default()), "SK", "33"),
        "edifact" => (FormatOptions::Edifact(EdiOptions::default()), "SA", "145"),
        other => panic!("no format {other}"),
    };
    let column = |name: &str| Column::Name(name.to_owned());
    FeedOptions {
        vendor_id: VendorId::parse("bench").unwrap(),
        source: Source::File {
            path: path.to_owned(),
        },
        decode: DecodeOptions {
            charset: None,
            entry: None,
            max_bytes: 1 << 32,
            max_decoded_bytes: 1 << 32,
            max_ratio: 1000,
        },
        format,
        fields: FieldOptions {
            product_id: ProductIdField::new(column(product_id)),
            quantity: QuantityField::new(column(quantity)),
        },
        rules: RuleOptions::default(),
        after: AfterRead::Leave,
        timeout: Duration::from_mins(10),
        retries: 0,
        kind: ReportKind::Full,
        lag: Duration::ZERO,
        max_age: None,
        guard: Guard::default(),
    }
}
