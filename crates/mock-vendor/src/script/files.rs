//! The files of scripted vendors: when each is written, and how a fault spoils it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::MissedTickBehavior;

use super::as_of;
use super::fault::Fault;
use super::plan::Plan;

/// Number of pieces in which a file is written slowly.
const PIECES: u32 = 10;

/// The names of files, and how often one is written.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// A pattern of `strftime`, in UTC.
    pub(super) name: String,
    /// Time from one file to the next.
    pub(super) interval: Duration,
}

/// Where files are written.
pub(super) trait Folder: Send + Sync {
    /// Called before the first byte of a file is written, with the fault of its step.
    fn begin(&self, _fault: Option<&Fault>) {}

    /// Writes a file. MUST NOT show a part of it to readers.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Replaces a file by one without content.
    fn create(&self, name: &str) -> io::Result<()>;

    /// Writes at the end of a file.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
}

/// A directory of this machine.
#[derive(Debug)]
pub(super) struct LocalFolder(pub(super) PathBuf);

impl Folder for LocalFolder {
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let hidden = format!(".{name}");
        fs::write(self.0.join(&hidden), bytes)?;
        self.rename(&hidden, name)
    }

    fn create(&self, name: &str) -> io::Result<()> {
        File::create(self.0.join(name)).map(drop)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.0.join(name))?;
        file.write_all(bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }
}

/// Writes a file at each interval, until it is cancelled or fails. `written` counts the files.
pub(super) async fn run(
    folder: impl Folder,
    schedule: Schedule,
    plan: Plan,
    written: Arc<AtomicU64>,
) -> io::Error {
    let mut ticks = tokio::time::interval(schedule.interval);
    // After a file that was written slowly, the next one has a later time.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = write_next(&folder, &schedule.name, &plan, &written).await {
            return error;
        }
    }
}

async fn write_next(
    folder: &impl Folder,
    pattern: &str,
    plan: &Plan,
    written: &AtomicU64,
) -> io::Result<()> {
    let now = Timestamp::now();
    let situation = plan.at(written.load(Ordering::SeqCst));
    let bytes = plan
        .document(situation, now, None)
        .map_err(io::Error::other)?;
    let name = as_of::pattern(pattern, now, &TimeZone::UTC).map_err(io::Error::other)?;
    let fault = situation.fault.as_ref();
    folder.begin(fault);
    match fault {
        Some(Fault::Part { ms }) => {
            let part = format!("{name}.part");
            write_slowly(folder, &part, &bytes, Duration::from_millis(*ms)).await?;
            folder.rename(&part, &name)?;
        }
        Some(Fault::Growing { ms }) => {
            write_slowly(folder, &name, &bytes, Duration::from_millis(*ms)).await?;
        }
        Some(Fault::Empty {}) => folder.write(&name, &[])?,
        Some(Fault::Truncate {}) => folder.write(&name, &bytes[..bytes.len() / 2])?,
        _ => folder.write(&name, &bytes)?,
    }
    written.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

async fn write_slowly(
    folder: &impl Folder,
    name: &str,
    bytes: &[u8],
    duration: Duration,
) -> io::Result<()> {
    folder.create(name)?;
    let size = bytes.len().div_ceil(PIECES as usize).max(1);
    for piece in bytes.chunks(size) {
        folder.append(name, piece)?;
        tokio::time::sleep(duration / PIECES).await;
    }
    Ok(())
}
