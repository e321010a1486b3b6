//! Sources against real servers: OpenSSH, vsftpd, pyftpdlib and an S3-compatible service. Each test starts its own as a child
//! process on a free port. `cells` has every format from every source in every decoding.

#![allow(clippy::unwrap_used, reason = "tests and their helpers may panic")]

mod bucket;
#[path = "../feed/canned.rs"]
#[expect(dead_code, reason = "the tests in feed use all of it")]
mod canned;
mod cells;
mod files;
mod ftpd;
mod ftps;
mod process;
mod proxy;
mod sftp;
mod sshd;

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::guard::Guard;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{Clock, FeedError, FetchedReport, VendorFeed};
use domain::report::ReportKind;
use domain::timestamp::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;
use vendor_feeds::{
    AfterRead, Column, CsvOptions, DecodeOptions, FeedOptions, FieldOptions, FormatOptions, Header,
    ProductIdField, QuantityField, RuleOptions, Source, SourceFeed,
};

/// 2026-11-01T08:00:00Z, the modification time of files that are complete.
const MODIFIED_S: u64 = 1_793_520_000;

fn modified() -> Option<Timestamp> {
    Timestamp::parse_rfc3339("2026-11-01T08:00:00Z").ok()
}

/// A vendor of separated values.
fn options(source: Source) -> FeedOptions {
    let column = |name: &str| Column::Name(name.to_owned());
    FeedOptions {
        vendor_id: VendorId::parse("vendor-a").unwrap(),
        source,
        after: AfterRead::Leave,
        decode: DecodeOptions {
            charset: None,
            entry: None,
            max_bytes: 10_000_000,
            max_decoded_bytes: 100_000_000,
            max_ratio: 1_000,
        },
        format: FormatOptions::Csv(CsvOptions {
            delimiter: b';',
            quote: b'"',
            header: Header::Row(NonZeroU32::MIN),
            skip_rows: None,
        }),
        fields: FieldOptions {
            product_id: ProductIdField::new(column("SKU")),
            quantity: QuantityField::new(column("Qty")),
        },
        rules: RuleOptions::default(),
        timeout: Duration::from_secs(30),
        retries: 0,
        kind: ReportKind::Full,
        lag: Duration::ZERO,
        max_age: None,
        guard: Guard::default(),
    }
}

fn feed(source: Source) -> SourceFeed {
    SourceFeed::new(options(source), Arc::new(SystemClock)).unwrap()
}

/// A clock at which a file may be changed while a source waits for its second look.
struct ChangingClock<F>(F);

#[async_trait]
impl<F: Fn() + Send + Sync> Clock for ChangingClock<F> {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, _: Duration) {
        (self.0)();
    }
}

fn feed_changing(source: Source, change: impl Fn() + Send + Sync + 'static) -> SourceFeed {
    SourceFeed::new(options(source), Arc::new(ChangingClock(change))).unwrap()
}

fn units(report: &FetchedReport, product: &str) -> Option<u32> {
    let product = ProductId::parse(product).unwrap();
    report.report.quantity_of(&product)
}

async fn fetch(feed: &SourceFeed) -> FetchedReport {
    feed.fetch().await.unwrap()
}

async fn unavailable(feed: &SourceFeed) -> String {
    match feed
        .fetch()
        .await
        .map_err(|error| error.split_file_time().0)
    {
        Err(FeedError::Unavailable(problem)) => problem,
        Err(error @ FeedError::NotReady(_)) => error.to_string(),
        other => panic!("expected an unavailable vendor, got {other:?}"),
    }
}

fn csv(units: u32) -> String {
    format!("SKU;Qty\n0012;{units}\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Text that compression does not shorten: random units of many products.
fn incompressible(rows: u32) -> Vec<u8> {
    let mut text = b"SKU;Qty\n".to_vec();
    let mut state = 1_u64;
    for row in 0..rows {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        writeln!(text, "{row}-{:x};{}", state >> 16, state >> 40).unwrap();
    }
    text
}

/// Writes a file that was modified `later_s` seconds after [`MODIFIED_S`].
fn write(path: &Path, bytes: impl AsRef<[u8]>, later_s: u64) {
    write_now(path, bytes);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S + later_s);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
}

/// Writes a file that every user may read.
fn write_now(path: &Path, bytes: impl AsRef<[u8]>) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// Writes three reports, of which `stock_b.csv.gz` with 2 units is the newest, and files that are newer and no reports.
fn write_reports(directory: &Path) {
    let at = |name: &str| directory.join(name);
    write(&at("stock_c.csv.gz"), gzip(csv(1).as_bytes()), 0);
    write(&at("stock_b.csv.gz"), gzip(csv(2).as_bytes()), 20);
    write(&at("stock_a.csv.gz"), gzip(csv(3).as_bytes()), 10);
    write(&at("stock_d.csv.gz.part"), "x", 100);
    write(&at(".stock_e.csv.gz"), "x", 100);
    write(&at("other.csv.gz"), "x", 100);
}
