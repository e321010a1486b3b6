//! The dump format of a deployment: one JSON object per line and record, and a last line with the counts and a checksum.
//!
//! Equal stores give identical files, independent of the database.

mod lines;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use domain::ports::TransferRecord;
use serde::{Deserialize, Serialize};

use lines::Line;

/// Contents of the last line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Summary {
    pub(crate) vendors: u64,
    pub(crate) products: u64,
    pub(crate) orders: u64,
    pub(crate) keys: u64,
    /// CRC-32 of all bytes before the last line.
    pub(crate) crc32: u32,
}

impl Summary {
    pub(crate) fn records(&self) -> u64 {
        self.vendors + self.products + self.orders + self.keys
    }

    /// Returns an identifier of the file's contents, derived from the checksum and the counts.
    pub(crate) fn name(&self) -> String {
        format!(
            "{:08x}-{}-{}-{}-{}",
            self.crc32, self.vendors, self.products, self.orders, self.keys
        )
    }

    fn count(&mut self, record: &TransferRecord) {
        match record {
            TransferRecord::Vendor(_) => self.vendors += 1,
            TransferRecord::Product(_) => self.products += 1,
            TransferRecord::Order(_) => self.orders += 1,
            TransferRecord::Key(_) => self.keys += 1,
        }
    }
}

/// Writes a dump to a partial file, which is renamed once it is complete.
pub(crate) struct DumpWriter {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    checksum: crc32fast::Hasher,
    summary: Summary,
}

impl DumpWriter {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        ensure!(
            !path.exists(),
            "{} already exists: choose another file",
            path.display()
        );
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            file: BufWriter::new(file),
            checksum: crc32fast::Hasher::new(),
            summary: Summary::default(),
        })
    }

    pub(crate) fn write(&mut self, record: &TransferRecord) -> Result<()> {
        let mut line = serde_json::to_vec(&Line::from(record))?;
        line.push(b'\n');
        self.checksum.update(&line);
        self.summary.count(record);
        self.file.write_all(&line).context("cannot write")
    }

    pub(crate) fn finish(mut self) -> Result<Summary> {
        self.summary.crc32 = self.checksum.finalize();
        let line = Line::End(self.summary.clone());
        serde_json::to_writer(&mut self.file, &line)?;
        self.file.write_all(b"\n")?;
        let file = self.file.into_inner()?;
        file.sync_all()?;
        std::fs::rename(&self.partial, &self.path).with_context(|| {
            format!("cannot rename the partial file to {}", self.path.display())
        })?;
        Ok(self.summary)
    }
}

/// Reads the last line of a file and verifies all others against it.
pub(crate) fn check(path: &Path) -> Result<Summary> {
    let mut checksum = crc32fast::Hasher::new();
    let mut lines = 0;
    let mut reader = open(path)?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            bail!("{} is incomplete: its last line is missing", path.display());
        }
        if line.starts_with(br#"{"end":"#) {
            break;
        }
        lines += 1;
        checksum.update(&line);
    }
    let Ok(Line::End(summary)) = serde_json::from_slice(&line) else {
        bail!("{}, line {}: invalid summary", path.display(), lines + 1);
    };
    ensure!(
        summary.records() == lines && summary.crc32 == checksum.finalize(),
        "{} was modified: its checksum does not match",
        path.display()
    );
    Ok(summary)
}

/// Returns the records after the first `skipped` ones.
pub(crate) fn records(
    path: &Path,
    skipped: u64,
) -> Result<impl Iterator<Item = Result<TransferRecord>>> {
    let name = path.display().to_string();
    let skipped = usize::try_from(skipped)?;
    let lines = open(path)?.lines().enumerate().skip(skipped);
    Ok(lines.map_while(move |(index, line)| {
        let location = || format!("{name}, line {}", index + 1);
        let parsed = line
            .map_err(anyhow::Error::from)
            .and_then(|line| Ok(serde_json::from_str::<Line>(&line)?));
        match parsed.with_context(location) {
            Ok(Line::End(_)) => None,
            Ok(line) => Some(line.into_record().with_context(location)),
            Err(error) => Some(Err(error)),
        }
    }))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(BufReader::new(file))
}

#[cfg(test)]
mod tests;
