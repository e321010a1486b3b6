//! Memory of a process that reads a large report.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::time::Duration;

use domain::ports::VendorFeed;
use tempfile::TempDir;
use vendor_feeds::{FeedOptions, Source};

use super::{feed_of, options_of};

const ROWS: usize = 100_000;

/// A tenth of 96 MiB for a tenth of a million rows, and the buffers of a fetch, which do not grow with the rows.
const MAX_GROWTH_KIB: u64 = 96 * 1024 / 10 + 4 * 1024;

/// The largest resident size of this process so far.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn memory_for_a_large_report_is_bounded_by_its_rows() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stock.json");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    for row in 0..ROWS {
        let start = if row == 0 { "[" } else { ",\n" };
        let item =
            format!(r#"{{"productId":"SKU-{row:08}","title":"A product","quantity":{row}}}"#);
        write!(file, "{start}{item}").unwrap();
    }
    file.write_all(b"]").unwrap();
    file.into_inner().unwrap();
    let mut options = FeedOptions {
        timeout: Duration::from_mins(10),
        ..options_of(Source::File { path })
    };
    options.decode.max_bytes = 1_000_000_000;
    options.decode.max_decoded_bytes = 1_000_000_000;
    let feed = feed_of(options);
    let before = peak_kib();
    let report = feed.fetch().await.unwrap().report;
    let growth = peak_kib() - before;
    assert_eq!(report.quantities().len(), ROWS);
    assert!(growth <= MAX_GROWTH_KIB, "{growth} KiB");
}
