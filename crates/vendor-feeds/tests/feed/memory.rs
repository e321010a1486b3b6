//! Memory of a process that reads a large report, in each decoding. Each test must be in a process of its own, as nextest runs it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use domain::ports::VendorFeed;
use flate2::Compression;
use flate2::write::GzEncoder;
use peak_alloc::PeakAlloc;
use tempfile::TempDir;
use vendor_feeds::{FeedOptions, Source};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{feed_of, options_of};

/// Counts what is allocated. The resident size of the process would also have pages of the program, and stacks and freed memory of
/// threads, whose number depends on how busy the machine is: tokio starts another one while the last is not idle yet.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// The size of a document.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    /// The length of a title.
    title: usize,
    /// The memory in which it must be read.
    max_kib: usize,
}

/// In a tenth of 96 MiB for a tenth of a million rows, and the buffers of a fetch, which do not grow with the rows.
const MANY_ROWS: Size = Size {
    rows: 100_000,
    title: 10,
    max_kib: 96 * 1024 / 10 + 4 * 1024,
};

/// 10 MB, more than may be in memory.
const LONG_ROWS: Size = Size {
    rows: 10_000,
    title: 1_000,
    max_kib: 6 * 1024,
};

/// Writes a document row by row.
fn write_rows(size: Size, mut write: impl FnMut(&str)) {
    let title = "A product ".repeat(size.title / 10);
    for row in 0..size.rows {
        let start = if row == 0 { "[" } else { ",\n" };
        let item = format!(r#"{{"productId":"SKU-{row:08}","title":"{title}","quantity":{row}}}"#);
        write(&format!("{start}{item}"));
    }
    write("]");
}

/// Asserts that a feed reads the document that `write` writes in bounded memory.
async fn assert_growth(size: Size, write: impl FnOnce(BufWriter<File>)) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stock.json");
    write(BufWriter::new(File::create(&path).unwrap()));
    let mut options = FeedOptions {
        timeout: Duration::from_mins(10),
        ..options_of(Source::File { path })
    };
    options.decode.max_bytes = 1_000_000_000;
    options.decode.max_decoded_bytes = 1_000_000_000;
    options.decode.max_ratio = 10_000;
    let feed = feed_of(options);
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let report = feed.fetch().await.unwrap().report;
    let growth_kib = (ALLOCATED.peak_usage() - before) / 1024;
    assert_eq!(report.quantities().len(), size.rows);
    assert!(growth_kib <= size.max_kib, "{growth_kib} KiB");
}

#[tokio::test]
async fn memory_for_a_large_report_is_bounded_by_its_rows() {
    assert_growth(MANY_ROWS, |mut file| {
        write_rows(MANY_ROWS, |text| file.write_all(text.as_bytes()).unwrap());
    })
    .await;
}

#[tokio::test]
async fn memory_for_a_large_gzip_stream_is_bounded_by_its_rows() {
    assert_growth(LONG_ROWS, |file| {
        let mut stream = GzEncoder::new(file, Compression::fast());
        write_rows(LONG_ROWS, |text| stream.write_all(text.as_bytes()).unwrap());
        stream.finish().unwrap();
    })
    .await;
}

#[tokio::test]
async fn memory_for_a_large_entry_of_an_archive_is_bounded_by_its_rows() {
    assert_growth(LONG_ROWS, |file| {
        let mut archive = ZipWriter::new(file);
        let options = SimpleFileOptions::default().compression_level(Some(1));
        archive.start_file("stock.json", options).unwrap();
        write_rows(LONG_ROWS, |text| {
            archive.write_all(text.as_bytes()).unwrap();
        });
        archive.finish().unwrap();
    })
    .await;
}

#[tokio::test]
async fn memory_for_a_large_report_in_utf_16_is_bounded_by_its_rows() {
    assert_growth(LONG_ROWS, |mut file| {
        file.write_all(&[0xff, 0xfe]).unwrap();
        write_rows(LONG_ROWS, |text| {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            file.write_all(&units.collect::<Vec<u8>>()).unwrap();
        });
    })
    .await;
}
