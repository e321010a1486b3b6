//! Every format from every source in every decoding. The test of a cell is `cells::SOURCE::FORMAT::DECODING`;
//! `documented_table_is_that_of_the_tests` compares the table in docs/contribute/feeds.md with them.

mod decodings;
mod formats;
mod sources;

use std::fmt::Write as _;
use std::future::Future;

use domain::evidence::{Evidence, Exchange, Proven, assess};
use domain::ports::FetchedReport;
use domain::timestamp::Timestamp;
use vendor_feeds::{Encoding, FeedOptions, ProductIdField, QuantityField};

use self::decodings::Sent;
use self::formats::Document;
use super::{Column, Source};

/// Declares the tests of a source: for each format its decodings.
macro_rules! cells {
    ($source:ident { $($format:ident: $($decoding:ident)+;)+ }) => {
        mod $source {
            /// The decodings of each format.
            pub(super) const CELLS: crate::cells::OfSource =
                &[$((stringify!($format), &[$(stringify!($decoding)),+])),+];

            $(mod $format {
                use crate::cells::{check, decodings, formats, sources};

                $(#[tokio::test]
                async fn $decoding() {
                    check(sources::$source, formats::$format, decodings::$decoding).await;
                })+
            })+
        }
    };
}

cells!(http {
    json: plain gzip zip content_encoding charset;
    ndjson: plain gzip zip content_encoding charset;
    csv: plain gzip zip content_encoding charset;
    xml: plain gzip zip content_encoding charset;
    xlsx: plain gzip zip content_encoding;
    x12_846: plain gzip zip content_encoding charset;
    edifact_invrpt: plain gzip zip content_encoding charset;
});

cells!(sftp {
    json: plain gzip zip charset;
    ndjson: plain gzip zip charset;
    csv: plain gzip zip charset;
    xml: plain gzip zip charset;
    xlsx: plain gzip zip;
    x12_846: plain gzip zip charset;
    edifact_invrpt: plain gzip zip charset;
});

cells!(ftps {
    json: plain gzip zip charset;
    ndjson: plain gzip zip charset;
    csv: plain gzip zip charset;
    xml: plain gzip zip charset;
    xlsx: plain gzip zip;
    x12_846: plain gzip zip charset;
    edifact_invrpt: plain gzip zip charset;
});

cells!(bucket {
    json: plain gzip zip charset;
    ndjson: plain gzip zip charset;
    csv: plain gzip zip charset;
    xml: plain gzip zip charset;
    xlsx: plain gzip zip;
    x12_846: plain gzip zip charset;
    edifact_invrpt: plain gzip zip charset;
});

cells!(file {
    json: plain gzip zip charset;
    ndjson: plain gzip zip charset;
    csv: plain gzip zip charset;
    xml: plain gzip zip charset;
    xlsx: plain gzip zip;
    x12_846: plain gzip zip charset;
    edifact_invrpt: plain gzip zip charset;
});

cells!(push {
    json: plain gzip zip content_encoding charset;
    ndjson: plain gzip zip content_encoding charset;
    csv: plain gzip zip content_encoding charset;
    xml: plain gzip zip content_encoding charset;
    xlsx: plain gzip zip content_encoding;
    x12_846: plain gzip zip content_encoding charset;
    edifact_invrpt: plain gzip zip content_encoding charset;
});

/// The decodings of each format.
type OfSource = &'static [(&'static str, &'static [&'static str])];

const SOURCES: [(&str, OfSource); 6] = [
    ("http", http::CELLS),
    ("sftp", sftp::CELLS),
    ("ftps", ftps::CELLS),
    ("bucket", bucket::CELLS),
    ("file", file::CELLS),
    ("push", push::CELLS),
];

/// One report as a source sends it.
struct Cell {
    document: Document,
    sent: Sent,
}

impl Cell {
    /// The options of its feed.
    fn options(&self, source: Source) -> FeedOptions {
        let column = |name: &str| Column::Name(name.to_owned());
        let mut options = super::options(source);
        options.format = self.document.format.clone();
        options.fields.product_id = ProductIdField::new(column(self.document.product_id));
        options.fields.quantity = QuantityField::new(column(self.document.quantity));
        let charset = self.sent.charset;
        options.decode.charset =
            charset.map(|label| Encoding::for_label(label.as_bytes()).unwrap());
        options
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// Reads a report, and compares all of it with what was sent: the quantities, the size, the times and what they prove.
async fn check<F: Future<Output = FetchedReport>>(
    source: impl FnOnce(Cell) -> F,
    format: fn() -> Document,
    decoding: fn(&Document) -> Sent,
) {
    let document = format();
    let as_of = document.as_of.map(at);
    let sent = decoding(&document);
    let bytes = sent.bytes.len() as u64;
    let fetched = source(Cell { document, sent }).await;
    let quantities: Vec<(&str, u32)> = fetched
        .report
        .quantities()
        .iter()
        .map(|(product, units)| (product.as_str(), *units))
        .collect();
    assert_eq!(quantities, [("0012", 0), ("A-1", 1234), ("Müller", 7)]);
    assert_eq!(fetched.size.bytes, Some(bytes));
    assert_eq!(fetched.size.rows, Some(3));
    assert_eq!(fetched.report.as_of(), as_of);
    let exchange = Exchange {
        requested_at: at(sources::SENT),
        received_at: at(sources::SENT),
    };
    // A time of a file or of a response is a second less: some servers round it up.
    let of_source = Proven {
        as_of: at("2026-11-01T07:59:59Z"),
        evidence: if fetched.times.is_file_time {
            Evidence::FileTime
        } else {
            Evidence::LastModified
        },
    };
    let of_document = as_of.map(|as_of| Proven {
        as_of,
        evidence: Evidence::Document,
    });
    let assessed = assess(fetched.report.as_of(), &fetched.times, exchange);
    assert_eq!(assessed.proof, Ok(of_document.unwrap_or(of_source)));
}

/// The table of the cells: a row for each format, a column for each source.
fn table() -> String {
    let names = SOURCES.map(|(name, _)| name);
    let mut table = format!(
        "| format | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for (index, (format, _)) in http::CELLS.iter().enumerate() {
        write!(table, "| `{format}` |").unwrap();
        for (_, cells) in SOURCES {
            let (of_source, decodings) = cells[index];
            assert_eq!(of_source, *format);
            write!(table, " {} |", decodings.join(", ")).unwrap();
        }
        table.push('\n');
    }
    table
}

#[test]
fn documented_table_is_that_of_the_tests() {
    let documented = include_str!("../../../../docs/contribute/feeds.md");
    let table = table();
    assert!(
        documented.contains(&table),
        "docs/contribute/feeds.md does not have this table:\n{table}"
    );
}
