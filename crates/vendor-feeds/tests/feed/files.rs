//! Reports in local files.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::ports::{Clock, FeedError, VendorFeed};
use domain::timestamp::Timestamp;
use tempfile::TempDir;
use vendor_feeds::{AfterRead, FeedOptions, Source, SourceFeed};

use super::{malformed, not_ready, options_of, unavailable, units_of};

/// 2026-11-23T12:00:00Z.
const NOW_S: u64 = 1_795_435_200;

/// A clock at which time passes only while something sleeps; a file may be changed then.
#[derive(Default)]
struct FakeClock {
    on_sleep: Option<Box<dyn Fn() + Send + Sync>>,
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(NOW_S).unwrap() * 1_000_000)
    }

    async fn sleep(&self, _: Duration) {
        if let Some(on_sleep) = &self.on_sleep {
            on_sleep();
        }
    }
}

fn body(units: u32) -> String {
    format!(r#"[{{"productId":"1","quantity":{units}}}]"#)
}

/// Writes a file that is this much older than the clock.
fn write(path: &Path, text: &str, age_s: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S - age_s);
    file.set_modified(modified).unwrap();
}

fn feed(path: &Path, clock: FakeClock) -> SourceFeed {
    let path = path.to_owned();
    SourceFeed::new(options_of(Source::File { path }), Arc::new(clock)).unwrap()
}

fn feed_of(path: &Path) -> SourceFeed {
    feed(path, FakeClock::default())
}

#[tokio::test]
async fn newest_file_that_matches_is_read_with_its_time() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    write(&at("stock_1.json"), &body(1), 1_000);
    write(&at("stock_3.json"), &body(3), 3_000);
    for newer in [
        "other.json",
        ".stock_9.json",
        "stock_9.json.part",
        "stock_9.tmp",
        "stock_9.json.filepart",
    ] {
        write(&at(newer), "x", 10);
    }
    fs::create_dir(at("stock_directory.json")).unwrap();
    let feed = feed_of(&at("stock_*"));
    let fetched = feed.fetch().await.unwrap();
    assert_eq!(fetched.file.as_deref(), Some("stock_1.json"));
    assert_eq!(
        fetched.times,
        ResponseTimes {
            last_modified: Timestamp::parse_rfc3339("2026-11-23T11:43:20Z").ok(),
            is_file_time: true,
            ..ResponseTimes::default()
        }
    );
    assert_eq!(units_of(&feed, "1").await, Some(1));
    write(&at("stock_3.json"), &body(33), 500);
    assert_eq!(units_of(&feed, "1").await, Some(33));
    assert_eq!(units_of(&feed_of(&at("stock_1.json")), "1").await, Some(1));
}

#[tokio::test]
async fn missing_file_is_named() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let shown = |name: &str| at(name).to_string_lossy().into_owned();
    assert_eq!(
        unavailable(&feed_of(&at("stock_*.json"))).await,
        format!("no file matches {}", shown("stock_*.json"))
    );
    assert_eq!(
        unavailable(&feed_of(&at("stock.json"))).await,
        format!(
            "cannot read {}: No such file or directory (os error 2)",
            shown("stock.json")
        )
    );
    let problem = unavailable(&feed_of(&at("missing/*.json"))).await;
    assert!(problem.contains("No such file or directory"), "{problem}");
    let problem = unavailable(&feed_of(directory.path())).await;
    assert!(problem.ends_with(" is not a file"), "{problem}");
}

#[tokio::test]
async fn file_that_is_not_finished_is_not_read() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stock.json");
    write(&path, "", 1_000);
    assert_eq!(
        not_ready(&feed_of(&path)).await,
        "the file stock.json is empty"
    );
    // Between two looks it grows, or is written again with the same size.
    for (text, age_s) in [(body(55), 10), (body(6), 9)] {
        write(&path, &body(5), 10);
        let written = path.clone();
        let clock = FakeClock {
            on_sleep: Some(Box::new(move || write(&written, &text, age_s))),
        };
        assert_eq!(
            not_ready(&feed(&path, clock)).await,
            "the file stock.json still grows"
        );
    }
    // A file in the future is looked at twice, too; the domain decides on its time.
    write(&path, &body(5), 0);
    assert_eq!(units_of(&feed_of(&path), "1").await, Some(5));
}

#[tokio::test]
async fn large_file_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stock.json");
    write(&path, &" ".repeat(1_000_001), 1_000);
    assert_eq!(
        malformed(&feed_of(&path)).await,
        "stock.json: the report is larger than 1000000 bytes (decode.max_bytes)"
    );
}

#[tokio::test]
async fn malformed_file_is_named() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let negative = r#"[{"productId": "1", "quantity": -1}]"#;
    for (name, text, problem) in [
        ("stock_1.json", "[", "invalid JSON: "),
        ("stock_2.json", negative, "item 1: /quantity is -1"),
    ] {
        write(&at(name), text, 1_000);
        let error = feed_of(&at(name)).fetch().await.unwrap_err();
        let (FeedError::Malformed(malformed), Some(_)) = error.split_file_time() else {
            panic!("{name} has another error");
        };
        assert_eq!(malformed.file.as_deref(), Some(name));
        assert!(malformed.problem.starts_with(problem), "{malformed}");
        let error = FeedError::Malformed(malformed).to_string();
        let expected = format!("the report is malformed: {name}: {problem}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

/// A sync on demand may begin before the end of a scheduled one, in the same process.
#[tokio::test]
async fn older_file_that_only_a_later_fetch_found_is_left() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let feed = {
        let options = FeedOptions {
            after: AfterRead::Delete,
            ..options_of(Source::File { path: at("*.json") })
        };
        SourceFeed::new(options, Arc::new(FakeClock::default())).unwrap()
    };
    write(&at("a.json"), &body(1), 1_000);
    write(&at("b.json"), &body(2), 3_000);
    let first = feed.fetch().await.unwrap();
    write(&at("c.json"), &body(3), 2_000);
    let second = feed.fetch().await.unwrap();
    let left = || {
        let names = ["a.json", "b.json", "c.json"].into_iter();
        names.filter(|name| at(name).exists()).collect::<Vec<_>>()
    };
    for (fetched, expected) in [(first, &["c.json"][..]), (second, &[])] {
        let finished = feed.finish_file(&fetched.read_file.unwrap()).await;
        assert_eq!(finished, Ok(()));
        assert_eq!(left(), expected);
    }
}
