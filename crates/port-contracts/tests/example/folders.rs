//! The directories of the queue, and the format of its files.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use domain::identifiers::OrderId;
use domain::ports::{QueueError, QueuedOrder};
use domain::trace::SpanContext;

/// The directories: `waiting`, `dead`, and one for each consumer below `delivered`.
#[derive(Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folders = Self {
            root: root.to_owned(),
        };
        for folder in [folders.waiting(), folders.dead(), folders.delivered()] {
            fs::create_dir_all(folder)?;
        }
        Ok(folders)
    }

    pub(crate) fn waiting(&self) -> PathBuf {
        self.root.join("waiting")
    }

    pub(crate) fn dead(&self) -> PathBuf {
        self.root.join("dead")
    }

    pub(crate) fn delivered(&self) -> PathBuf {
        self.root.join("delivered")
    }
}

/// Maps a file-system error to a transient one: a full disk may be freed, and a directory mounted again.
pub(crate) fn unavailable(error: &io::Error) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

/// Returns the numbers of the messages in a directory, in order. Files that are still being defined have other names.
pub(crate) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        numbers.extend(entry?.file_name().to_str().and_then(parse_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn file_name(number: u64) -> String {
    format!("{number:020}")
}

fn parse_number(name: &str) -> Option<u64> {
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

/// Writes and syncs a message, and then renames it to the name that consumers read.
pub(crate) fn write(folder: &Path, number: u64, text: &str) -> io::Result<()> {
    let name = file_name(number);
    let half_written = folder.join(format!("{name}.new"));
    let mut file = File::create(&half_written)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(half_written, folder.join(name))
}

/// Orders of a message, each with its span if it is traced.
pub(crate) type Orders = Vec<(OrderId, Option<SpanContext>)>;

/// Returns the orders of a message, or `None` if the text is not a message.
pub(crate) fn read_orders(text: &str) -> Option<Orders> {
    let orders: Option<Orders> = text.lines().map(read_order).collect();
    orders.filter(|orders| !orders.is_empty())
}

fn read_order(line: &str) -> Option<(OrderId, Option<SpanContext>)> {
    let (id, trace) = line.split_once(' ').unwrap_or((line, ""));
    Some((
        OrderId(id.parse().ok()?),
        SpanContext::parse_recorded(trace),
    ))
}

/// Writes one line for each order: its id and, if it is traced, its span.
pub(crate) fn write_orders(orders: &[QueuedOrder]) -> String {
    let line = |order: &QueuedOrder| match order.trace {
        Some(trace) => format!("{} {trace}\n", order.order_id),
        None => format!("{}\n", order.order_id),
    };
    orders.iter().map(line).collect()
}
