//! The selection of files, on directories in memory.

use std::sync::Mutex;

use domain::timestamp::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::decode::SpoolWriter;
use crate::options::AfterRead;

/// 2026-11-23T12:00:00Z, in seconds.
const NOW_S: i64 = 1_795_435_200;

#[derive(Debug, Clone)]
struct Stored {
    version: FileVersion,
    bytes: Vec<u8>,
}

/// A directory in memory, which a change may replace while a file is read.
#[derive(Default)]
struct MemoryDirectory {
    files: Mutex<Vec<Stored>>,
    /// The files from the next sleep on.
    on_sleep: Mutex<Option<Vec<Stored>>>,
    /// The files from the next read on.
    on_read: Mutex<Option<Vec<Stored>>>,
    /// Number of failures before a connection is made.
    failures: Mutex<u32>,
    /// The number of failures after the next connection.
    failures_later: Mutex<u32>,
    sleeps: Mutex<u32>,
}

struct Opened(Arc<MemoryDirectory>);

#[async_trait]
impl OpenDirectory for Arc<MemoryDirectory> {
    type Directory = Opened;

    async fn open(&self) -> Result<Opened, Failure> {
        let mut failures = self.failures.lock().unwrap();
        match failures.checked_sub(1) {
            None => {
                *failures = std::mem::take(&mut *self.failures_later.lock().unwrap());
                Ok(Opened(Self::clone(self)))
            }
            Some(left) => {
                *failures = left;
                Err(Failure::transient("no connection"))
            }
        }
    }

    fn has_local_clock(&self) -> bool {
        true
    }
}

#[async_trait]
impl Directory for Opened {
    async fn list(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<FileVersion>, Failure> {
        let files = self.0.files.lock().unwrap().clone();
        let versions = files.into_iter().map(|file| file.version);
        Ok(versions
            .filter(|version| is_wanted(&version.name))
            .collect())
    }

    async fn look(&mut self, name: &str) -> Result<Option<FileVersion>, Failure> {
        let files = self.0.files.lock().unwrap();
        let found = files.iter().find(|file| file.version.name == name);
        Ok(found.map(|file| file.version.clone()))
    }

    async fn read(&mut self, name: &str, limit: Limit) -> Result<Spool, Failure> {
        let files = self.0.files.lock().unwrap().clone();
        let found = files.into_iter().find(|file| file.version.name == name);
        let mut writer = SpoolWriter::new(limit);
        let bytes = found.map(|file| file.bytes).unwrap_or_default();
        writer.write(&bytes).await.unwrap();
        if let Some(files) = self.0.on_read.lock().unwrap().take() {
            *self.0.files.lock().unwrap() = files;
        }
        Ok(writer.finish().await.unwrap())
    }

    async fn remove(&mut self, name: &str) -> Result<(), Failure> {
        let mut files = self.0.files.lock().unwrap();
        files.retain(|file| file.version.name != name);
        Ok(())
    }

    async fn rename(&mut self, _: &str, _: &str, _: &str) -> Result<bool, Failure> {
        Ok(false)
    }
}

/// A clock at which time passes only while a source sleeps.
struct FakeClock(Arc<MemoryDirectory>);

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(NOW_S * 1_000_000)
    }

    async fn sleep(&self, _: Duration) {
        *self.0.sleeps.lock().unwrap() += 1;
        if let Some(files) = self.0.on_sleep.lock().unwrap().take() {
            *self.0.files.lock().unwrap() = files;
        }
    }
}

/// A file that is `age_s` seconds older than the clock.
fn file(name: &str, text: &str, age_s: i64) -> Stored {
    Stored {
        version: FileVersion {
            name: name.to_owned(),
            size: text.len() as u64,
            modified: Some(Timestamp::from_micros((NOW_S - age_s) * 1_000_000)),
        },
        bytes: text.as_bytes().to_vec(),
    }
}

fn directory(files: &[Stored]) -> Arc<MemoryDirectory> {
    let directory = MemoryDirectory::default();
    *directory.files.lock().unwrap() = files.to_vec();
    Arc::new(directory)
}

/// Returns the source of a file in a directory whose server knows `secrets`.
fn source_with(
    directory: &Arc<MemoryDirectory>,
    name: &str,
    secrets: Secrets,
) -> DirectorySource<Arc<MemoryDirectory>> {
    DirectorySource {
        vendor_id: VendorId::parse("v").unwrap(),
        directory: Arc::clone(directory),
        file: FilePattern::new(format!("/out/{name}"), name),
        after: After {
            action: AfterRead::Leave,
            is_full: true,
        },
        max_bytes: 10,
        retries: 2,
        clock: Arc::new(FakeClock(Arc::clone(directory))),
        secrets: Arc::new(secrets),
    }
}

fn source_of(
    directory: &Arc<MemoryDirectory>,
    name: &str,
) -> DirectorySource<Arc<MemoryDirectory>> {
    source_with(directory, name, Secrets::default())
}

#[tokio::test]
async fn failure_before_a_retry_is_logged_without_secrets() {
    let directory = directory(&[file("a.csv", "a", 100)]);
    *directory.failures.lock().unwrap() = 3;
    let mut secrets = Secrets::default();
    secrets.add("connection");
    let mut last_failure = None;
    let source = source_with(&directory, "a.csv", secrets);
    source.transfer(&mut last_failure).await.unwrap_err();
    assert_eq!(last_failure.unwrap().to_string(), "no [secret]");
}

async fn transfer(directory: &Arc<MemoryDirectory>, name: &str) -> Result<String, String> {
    let mut last_failure = None;
    let source = source_of(directory, name);
    let transferred = source.transfer(&mut last_failure).await;
    let mut transferred = transferred.map_err(|error| error.to_string())?;
    assert!(transferred.times.is_file_time);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut transferred.bytes, &mut text).unwrap();
    Ok(text)
}

#[tokio::test]
async fn newest_file_is_read_and_the_last_name_of_equal_times() {
    let files = directory(&[
        file("a.csv", "a", 3_000),
        file("b.csv", "b", 2_000),
        file("c.csv", "c", 2_000),
        file("d.csv.part", "d", 1_000),
        file(".e.csv", "e", 1_000),
    ]);
    assert_eq!(transfer(&files, "*.csv").await.as_deref(), Ok("c"));
    assert_eq!(transfer(&files, "a.csv").await.as_deref(), Ok("a"));
    assert_eq!(*files.sleeps.lock().unwrap(), 0);
    let problem = transfer(&files, "*.json").await.unwrap_err();
    assert_eq!(problem, "no file matches /out/*.json");
    let problem = transfer(&files, "d.csv").await.unwrap_err();
    assert_eq!(problem, "/out/d.csv is not a file");
}

#[tokio::test]
async fn file_without_a_time_is_read_if_no_other_matches() {
    let mut unknown = file("a.csv", "a", 0);
    unknown.version.modified = None;
    let files = directory(&[unknown.clone()]);
    assert_eq!(transfer(&files, "*.csv").await.as_deref(), Ok("a"));
    // Its age is unknown.
    assert_eq!(*files.sleeps.lock().unwrap(), 1);
    let files = directory(&[unknown, file("b.csv", "b", 0)]);
    assert_eq!(
        transfer(&files, "*.csv").await.unwrap_err(),
        "2 files match /out/*.csv, and their order is unknown: the server states no usable modification time of a.csv"
    );
}

#[tokio::test]
async fn incomplete_file_is_not_read() {
    let is_not_ready = |problem: &str| format!("the report is not ready: the file a.csv {problem}");
    let files = directory(&[file("a.csv", "", 3_000)]);
    let problem = transfer(&files, "*.csv").await.unwrap_err();
    assert_eq!(problem, is_not_ready("is empty"));
    for changed in [
        vec![file("a.csv", "aa", 10)],
        vec![file("a.csv", "b", 9)],
        vec![],
    ] {
        let files = directory(&[file("a.csv", "a", 10)]);
        *files.on_sleep.lock().unwrap() = Some(changed.clone());
        let problem = transfer(&files, "*.csv").await.unwrap_err();
        assert_eq!(problem, is_not_ready("still grows"));
        // An old file is looked at after it was read only.
        let files = directory(&[file("a.csv", "a", 3_000)]);
        *files.on_read.lock().unwrap() = Some(changed);
        let problem = transfer(&files, "a.csv").await.unwrap_err();
        assert_eq!(problem, is_not_ready("still grows"));
    }
    let mut truncated = file("a.csv", "abc", 3_000);
    truncated.bytes.pop();
    let problem = transfer(&directory(&[truncated]), "*.csv")
        .await
        .unwrap_err();
    assert_eq!(problem, "the file a.csv was received with 2 of its 3 bytes");
    let large = file("a.csv", &"a".repeat(11), 3_000);
    let problem = transfer(&directory(&[large]), "*.csv").await.unwrap_err();
    assert_eq!(
        problem,
        "the report is malformed: a.csv: the report is larger than 10 bytes (decode.max_bytes)"
    );
}

#[tokio::test]
async fn errors_have_the_time_of_the_file_that_was_found() {
    let time_of = async |files: &Arc<MemoryDirectory>| {
        let transferred = source_of(files, "*.csv").transfer(&mut None).await;
        transferred.unwrap_err().split_file_time().1
    };
    let at = |age_s: i64| file("", "", age_s).version.modified;
    let empty = directory(&[file("a.csv", "", 3_000)]);
    assert_eq!(time_of(&empty).await, at(3_000));
    // The version that the next sync may read.
    let growing = directory(&[file("a.csv", "a", 10)]);
    *growing.on_sleep.lock().unwrap() = Some(vec![file("a.csv", "aa", 9)]);
    assert_eq!(time_of(&growing).await, at(9));
    // The first attempt finds the file, and the others no connection.
    let mut truncated = file("a.csv", "abc", 3_000);
    truncated.bytes.pop();
    let lost = directory(&[truncated]);
    *lost.failures_later.lock().unwrap() = 9;
    assert_eq!(time_of(&lost).await, at(3_000));
    assert_eq!(time_of(&directory(&[])).await, None);
}

#[tokio::test]
async fn transfer_that_does_not_end_has_the_time_of_the_file() {
    let files = directory(&[file("a.csv", "a", 3_000)]);
    let mut last_failure = None;
    let source = source_of(&files, "*.csv");
    let unread = source.attempt(&|error| assert!(matches!(error, FeedError::OfFile { .. })));
    assert!(unread.await.is_ok());
    source.transfer(&mut last_failure).await.unwrap();
    let (error, modified) = last_failure.unwrap().split_file_time();
    assert_eq!(error.to_string(), "the file a.csv was not read to its end");
    assert_eq!(modified, file("", "", 3_000).version.modified);
}

#[tokio::test]
async fn transient_failure_is_retried() {
    let files = directory(&[file("a.csv", "a", 3_000)]);
    *files.failures.lock().unwrap() = 2;
    assert_eq!(transfer(&files, "*.csv").await.as_deref(), Ok("a"));
    *files.failures.lock().unwrap() = 3;
    let problem = transfer(&files, "*.csv").await.unwrap_err();
    assert_eq!(problem, "no connection");
}

proptest! {
    /// The file that is read is the newest of those that may be read, in whatever order the server lists them.
    #[test]
    fn newest_of_any_files_is_read(
        ages in proptest::collection::vec((0_i64..100_000, 0_usize..4), 0..12),
    ) {
        let suffixes = ["-stock", "-stock.part", "-other", "-stock"];
        let files: Vec<Stored> = ages
            .iter()
            .enumerate()
            .map(|(index, (age_s, suffix))| {
                let name = format!("f{index:02}{}", suffixes[*suffix]);
                file(&name, &index.to_string(), *age_s)
            })
            .collect();
        let expected = files
            .iter()
            .filter(|file| file.version.name.ends_with("-stock"))
            .max_by_key(|file| (file.version.modified, file.version.name.clone()))
            .map(|file| String::from_utf8(file.bytes.clone()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let read = runtime.block_on(transfer(&directory(&files), "f*-stock"));
        prop_assert_eq!(read.ok(), expected);
    }
}
