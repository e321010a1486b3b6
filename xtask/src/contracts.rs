//! Contracts that each adapter passed, as recorded by its tests.
//!
//! The tests write one file per contract that an adapter passed, and the list of each suite, to cargo's temporary directory
//! for integration tests. An adapter is a package whose name starts with the name of a suite. An adapter that has not passed
//! all contracts of its suite fails the whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;

use crate::tidy::SHARED_BY_ADAPTERS;

const SUITES: [&str; 2] = ["storage", "queue"];

/// A suite with its recorded results.
#[derive(Default)]
struct Suite {
    name: String,
    /// Names, as `module.contract`.
    contracts: Vec<String>,
    /// Recorded numbers by adapter and contract.
    passed: BTreeMap<String, BTreeMap<String, String>>,
}

/// Removes the records of earlier runs.
pub(crate) fn clear() -> Result<()> {
    let dir = records_dir(&workspace::metadata()?);
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Prints the tables. Fails if an adapter has not passed a contract.
pub(crate) fn report() -> Result<()> {
    let metadata = workspace::metadata()?;
    let dir = records_dir(&metadata);
    let mut missing = Vec::new();
    for name in SUITES {
        let packages = metadata.packages.iter().map(|it| it.name.as_str());
        let suite = read(&dir, name, adapters(packages, name))?;
        println!("{}", suite.table());
        missing.extend(suite.missing());
    }
    if missing.is_empty() {
        Ok(())
    } else {
        bail!("contracts not passed or not run: {}", missing.join(", "))
    }
}

fn records_dir(metadata: &Metadata) -> PathBuf {
    let dir = metadata.target_directory.join("tmp").join("contracts");
    dir.into_std_path_buf()
}

/// Returns the packages whose names start with the suite's name.
fn adapters<'a>(packages: impl Iterator<Item = &'a str>, suite: &str) -> BTreeSet<String> {
    let adapters = packages.filter(|name| {
        let rest = name.strip_prefix(suite);
        *name != SHARED_BY_ADAPTERS && rest.is_some_and(|rest| rest.starts_with('-'))
    });
    adapters.map(str::to_owned).collect()
}

/// Reads the records of a suite for these adapters and for all others with records.
fn read(dir: &Path, name: &str, adapters: BTreeSet<String>) -> Result<Suite> {
    let dir = dir.join(name);
    let list = dir.join("list");
    let list = fs::read_to_string(&list)
        .with_context(|| format!("{} not found: run `cargo xtask test`", list.display()))?;
    let mut passed: BTreeMap<_, _> = adapters
        .into_iter()
        .map(|adapter| (adapter, BTreeMap::new()))
        .collect();
    for adapter in entries(&dir)?.filter(|path| path.is_dir()) {
        let records = entries(&adapter)?.map(|path| {
            let numbers = fs::read_to_string(&path)?;
            Ok((file_name(&path), numbers))
        });
        passed.insert(file_name(&adapter), records.collect::<Result<_>>()?);
    }
    Ok(Suite {
        name: name.to_owned(),
        contracts: list.lines().map(str::to_owned).collect(),
        passed,
    })
}

fn entries(dir: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    let entries = fs::read_dir(dir)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .with_context(|| format!("cannot read {}", dir.display()))?;
    let entries: Vec<PathBuf> = entries;
    Ok(entries.into_iter())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

impl Suite {
    /// Returns a table with one row per contract, grouped by module, one row per recorded number, and one column per adapter.
    fn table(&self) -> String {
        let rows = self.rows();
        let title = format!("{} contracts", self.name);
        let titles = rows.iter().map(|row| row[0].chars().count());
        let width = titles.chain([title.len()]).max().unwrap_or_default();
        let mut text = format!("{title:<width$}");
        for adapter in self.passed.keys() {
            let _ = write!(text, "  {adapter}");
        }
        for [title, contract] in &rows {
            let mut line = format!("\n{title:<width$}");
            for (adapter, passed) in &self.passed {
                let column = adapter.chars().count();
                let _ = write!(line, "  {:>column$}", cell(title, contract, passed));
            }
            text.push_str(line.trim_end());
        }
        for (adapter, passed) in &self.passed {
            let counted = self.contracts.iter().filter(|it| passed.contains_key(*it));
            let _ = write!(
                text,
                "\n{adapter}: {} of {}",
                counted.count(),
                self.contracts.len()
            );
        }
        text.push('\n');
        text
    }

    /// Returns the title of each row with its contract, which is empty for a module.
    fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = Vec::new();
        let mut last_module = "";
        for contract in &self.contracts {
            let (module, name) = contract.split_once('.').unwrap_or(("", contract));
            if module != last_module {
                rows.push([module.to_owned(), String::new()]);
                last_module = module;
            }
            rows.push([format!("  {name}"), contract.clone()]);
            let numbers: BTreeSet<&str> = self
                .passed
                .values()
                .filter_map(|passed| passed.get(contract))
                .flat_map(|numbers| numbers.lines())
                .filter_map(|line| line.split_once(' '))
                .map(|(name, _)| name)
                .collect();
            rows.extend(
                numbers
                    .into_iter()
                    .map(|it| [format!("    {it}"), contract.clone()]),
            );
        }
        rows
    }

    fn missing(&self) -> Vec<String> {
        let of = |(adapter, passed): (&String, &BTreeMap<String, String>)| {
            let missing = self.contracts.iter().filter(|it| !passed.contains_key(*it));
            let missing: Vec<&str> = missing.map(String::as_str).collect();
            let all = missing.len() == self.contracts.len();
            let which = if all {
                "all".to_owned()
            } else {
                missing.join(", ")
            };
            (!missing.is_empty()).then(|| format!("{which} by {adapter}"))
        };
        self.passed.iter().filter_map(of).collect()
    }
}

fn cell<'a>(title: &str, contract: &str, passed: &'a BTreeMap<String, String>) -> &'a str {
    if contract.is_empty() {
        return "";
    }
    let Some(numbers) = passed.get(contract) else {
        return "MISSING";
    };
    match title.strip_prefix("    ") {
        None => "passed",
        Some(name) => numbers
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(of, _)| *of == name)
            .map_or("", |(_, number)| number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(passed: &[(&str, &[(&str, &str)])]) -> Suite {
        let records = |records: &[(&str, &str)]| {
            let owned = records.iter();
            owned
                .map(|&(it, numbers)| (it.to_owned(), numbers.to_owned()))
                .collect()
        };
        let passed = passed.iter();
        Suite {
            name: "queue".to_owned(),
            contracts: vec!["order.first".to_owned(), "order.second".to_owned()],
            passed: passed
                .map(|&(name, all)| (name.to_owned(), records(all)))
                .collect(),
        }
    }

    #[test]
    fn table_shows_the_contracts_that_each_adapter_passed() {
        let both = [("order.first", ""), ("order.second", "tries 12\n")];
        let suite = suite(&[("queue-a", &both), ("queue-b", &both[..1])]);
        let expected = "\
queue contracts  queue-a  queue-b
order
  first           passed   passed
  second          passed  MISSING
    tries             12  MISSING
queue-a: 2 of 2
queue-b: 1 of 2
";
        assert_eq!(suite.table(), expected);
        assert_eq!(suite.missing(), ["order.second by queue-b"]);
    }

    #[test]
    fn adapter_without_records_is_reported_as_missing() {
        let adapters = adapters(["queue-a", "queues", "b"].into_iter(), "queue");
        assert_eq!(adapters.into_iter().collect::<Vec<_>>(), ["queue-a"]);
        assert_eq!(suite(&[("queue-a", &[])]).missing(), ["all by queue-a"]);
    }
}
