//! Rows a second of each format, next to the bare library that reads it, and the peak memory of the process. Not run by CI:
//!
//! ```sh
//! cargo bench -p vendor-feeds --bench formats             # every format
//! cargo bench -p vendor-feeds --bench formats -- csv xml  # some
//! ```
//!
//! Each measurement is a process of its own that reads a file of [`ROWS`] rows, so that its peak is its own. The readers
//! alternate, and the best of [`ROUNDS`] rounds counts, which is the least disturbed. `feed` is the whole feed: the file is
//! copied, decoded, read, checked by the rules, and collected into a report. `bare` is the library with its defaults, whose ids
//! and quantities are collected into the same map. `parse` is the library without the map.

#![allow(clippy::unwrap_used, reason = "a program for developers")]

mod bare;
mod documents;
mod feed;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const ROWS: u32 = 1_000_000;
const ROUNDS: u32 = 3;

const FORMATS: [&str; 7] = ["json", "ndjson", "csv", "xml", "xlsx", "x12", "edifact"];
const READERS: [&str; 3] = ["feed", "bare", "parse"];

/// A measurement of one process.
struct Measured {
    seconds: f64,
    peak_kib: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, format, reader, path] = arguments.as_slice()
        && flag == "--read"
    {
        read(format, reader, Path::new(path));
        return;
    }
    let wanted = |format: &&&str| {
        let mut names = arguments.iter().filter(|name| !name.starts_with('-'));
        names.clone().next().is_none() || names.any(|name| name == **format)
    };
    println!(
        "{:8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "format", "MiB", "feed/s", "bare/s", "parse/s", "feed/bare", "feed/parse", "peak MiB"
    );
    let directory = tempfile::tempdir().unwrap();
    for format in FORMATS.iter().filter(wanted) {
        let path = directory.path().join("stock");
        documents::write(format, &path, ROWS);
        let mut best = READERS.map(|_| Measured {
            seconds: f64::INFINITY,
            peak_kib: 0,
        });
        for _ in 0..ROUNDS {
            for (best, reader) in best.iter_mut().zip(READERS) {
                let measured = measure(format, reader, &path);
                best.seconds = best.seconds.min(measured.seconds);
                best.peak_kib = best.peak_kib.max(measured.peak_kib);
            }
        }
        let [feed, bare, parse] = &best;
        let per_second = |measured: &Measured| f64::from(ROWS) / measured.seconds;
        println!(
            "{:8} {:>10} {:>10.0} {:>10.0} {:>10.0} {:>10.2} {:>10.2} {:>10}",
            format,
            fs::metadata(&path).unwrap().len() >> 20,
            per_second(feed),
            per_second(bare),
            per_second(parse),
            bare.seconds / feed.seconds,
            parse.seconds / feed.seconds,
            feed.peak_kib >> 10,
        );
    }
}

/// Runs one reader in a process of its own.
fn measure(format: &str, reader: &str, path: &Path) -> Measured {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--read", format, reader]).arg(path);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [seconds, peak_kib] = fields.as_slice() else {
        panic!(
            "{format} {reader}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    Measured {
        seconds: seconds.parse().unwrap(),
        peak_kib: peak_kib.parse().unwrap(),
    }
}

/// Reads a file and prints the seconds and the peak of this process in KiB.
fn read(format: &str, reader: &str, path: &Path) {
    let start = Instant::now();
    let rows = match reader {
        "feed" => feed::read(format, path),
        "bare" => bare::read(format, path, bare::Map::default()),
        _ => bare::read(format, path, bare::Count::default()),
    };
    let elapsed: Duration = start.elapsed();
    assert_eq!(rows, ROWS as usize);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    let peak_kib = peak.unwrap().split_ascii_whitespace().nth(1).unwrap();
    println!("{} {peak_kib}", elapsed.as_secs_f64());
}
