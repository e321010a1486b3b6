//! Scripted vendors that write files into a directory.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::as_of;
use super::fault::Fault;
use super::plan::Plan;

/// Number of pieces in which a file is written slowly.
const PIECES: u32 = 10;

/// Where files are written, and how often.
#[derive(Debug)]
pub(super) struct FileVendor {
    pub(super) directory: PathBuf,
    /// A pattern of `strftime`, in UTC.
    pub(super) name: String,
    /// Time from one file to the next.
    pub(super) interval: Duration,
}

/// Writes a file at each interval, until it is cancelled or fails. `written` counts the files.
pub(super) async fn run(vendor: FileVendor, plan: Plan, written: Arc<AtomicU64>) -> io::Error {
    let mut ticks = tokio::time::interval(vendor.interval);
    loop {
        ticks.tick().await;
        if let Err(error) = write_next(&vendor, &plan, &written).await {
            return error;
        }
    }
}

async fn write_next(vendor: &FileVendor, plan: &Plan, written: &AtomicU64) -> io::Result<()> {
    let now = Timestamp::now();
    let situation = plan.at(written.load(Ordering::SeqCst));
    let bytes = plan
        .document(situation, now, None)
        .map_err(io::Error::other)?;
    let name = as_of::pattern(&vendor.name, now, &TimeZone::UTC).map_err(io::Error::other)?;
    let path = vendor.directory.join(&name);
    match situation.fault {
        Some(Fault::Part { ms }) => {
            let part = vendor.directory.join(format!("{name}.part"));
            write_slowly(&part, &bytes, Duration::from_millis(ms)).await?;
            fs::rename(&part, &path)?;
        }
        Some(Fault::Growing { ms }) => {
            write_slowly(&path, &bytes, Duration::from_millis(ms)).await?;
        }
        Some(Fault::Empty {}) => write_at_once(vendor, &name, &path, &[])?,
        Some(Fault::Truncate {}) => {
            write_at_once(vendor, &name, &path, &bytes[..bytes.len() / 2])?;
        }
        _ => write_at_once(vendor, &name, &path, &bytes)?,
    }
    written.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Writes a hidden file and renames it, so that no reader sees a part of it.
fn write_at_once(vendor: &FileVendor, name: &str, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let hidden = vendor.directory.join(format!(".{name}"));
    fs::write(&hidden, bytes)?;
    fs::rename(&hidden, path)
}

async fn write_slowly(path: &Path, bytes: &[u8], duration: Duration) -> io::Result<()> {
    let mut file = File::create(path)?;
    let size = bytes.len().div_ceil(PIECES as usize).max(1);
    for piece in bytes.chunks(size) {
        file.write_all(piece)?;
        file.flush()?;
        tokio::time::sleep(duration / PIECES).await;
    }
    Ok(())
}
