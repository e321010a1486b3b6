//! Which adapter kept which contract, as its tests recorded it.
//!
//! The tests write a file for each contract that an adapter kept, and the list of each suite, below the folder that cargo
//! gives to integration tests. An adapter is every package that is named as one; one that kept fewer contracts than its
//! suite has, or none, is a failure of the whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace;

const SUITES: [&str; 2] = ["storage", "queue"];

/// A suite with what was recorded of it.
#[derive(Default)]
struct Suite {
    name: String,
    /// As `module.contract`.
    contracts: Vec<String>,
    /// By adapter and contract, how much was tried.
    kept: BTreeMap<String, BTreeMap<String, String>>,
}

/// Forgets what earlier runs recorded.
pub(crate) fn forget() -> Result<()> {
    let folder = folder(&workspace::metadata()?)?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Prints the tables, and fails if an adapter has not kept a contract.
pub(crate) fn report() -> Result<()> {
    let metadata = workspace::metadata()?;
    let folder = folder(&metadata)?;
    let mut missing = Vec::new();
    for name in SUITES {
        let suite = read(&folder, name, adapters(&metadata, name)?)?;
        println!("{}", suite.table());
        missing.extend(suite.missing());
    }
    if missing.is_empty() {
        Ok(())
    } else {
        bail!("not kept, or not run: {}", missing.join(", "))
    }
}

fn folder(metadata: &Value) -> Result<PathBuf> {
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata has no target folder")?;
    Ok(Path::new(target).join("tmp").join("contracts"))
}

/// The packages that are named as adapters of the suite.
fn adapters(metadata: &Value, suite: &str) -> Result<BTreeSet<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    let names = packages
        .iter()
        .filter_map(|package| package["name"].as_str());
    let adapters = names.filter(|name| {
        name.strip_prefix(suite)
            .is_some_and(|rest| rest.starts_with('-'))
    });
    Ok(adapters.map(str::to_owned).collect())
}

/// Reads the records of a suite, in which each of the adapters stands, and whoever else recorded something.
fn read(folder: &Path, name: &str, adapters: BTreeSet<String>) -> Result<Suite> {
    let folder = folder.join(name);
    let list = folder.join("list");
    let list = fs::read_to_string(&list).with_context(|| {
        format!(
            "there is no {}: `cargo xtask test` writes it",
            list.display()
        )
    })?;
    let mut kept: BTreeMap<_, _> = adapters
        .into_iter()
        .map(|adapter| (adapter, BTreeMap::new()))
        .collect();
    for adapter in entries(&folder)?.filter(|path| path.is_dir()) {
        let records = entries(&adapter)?.map(|path| {
            let numbers = fs::read_to_string(&path)?;
            Ok((file_name(&path), numbers))
        });
        kept.insert(file_name(&adapter), records.collect::<Result<_>>()?);
    }
    Ok(Suite {
        name: name.to_owned(),
        contracts: list.lines().map(str::to_owned).collect(),
        kept,
    })
}

fn entries(folder: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    let entries = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let entries: Vec<PathBuf> = entries;
    Ok(entries.into_iter())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

impl Suite {
    /// A line for each contract, under its module, and for each number of one; a column for each adapter.
    fn table(&self) -> String {
        let rows = self.rows();
        let title = format!("{} contracts", self.name);
        let titles = rows.iter().map(|row| row[0].chars().count());
        let width = titles.chain([title.len()]).max().unwrap_or_default();
        let mut text = format!("{title:<width$}");
        for adapter in self.kept.keys() {
            let _ = write!(text, "  {adapter}");
        }
        for [title, contract] in &rows {
            let mut line = format!("\n{title:<width$}");
            for (adapter, kept) in &self.kept {
                let column = adapter.chars().count();
                let _ = write!(line, "  {:>column$}", cell(title, contract, kept));
            }
            text.push_str(line.trim_end());
        }
        for (adapter, kept) in &self.kept {
            let counted = self.contracts.iter().filter(|it| kept.contains_key(*it));
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

    /// What stands first in a line, and the contract that it is about: none for a module.
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
                .kept
                .values()
                .filter_map(|kept| kept.get(contract))
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
        let of = |(adapter, kept): (&String, &BTreeMap<String, String>)| {
            let missing = self.contracts.iter().filter(|it| !kept.contains_key(*it));
            let missing: Vec<&str> = missing.map(String::as_str).collect();
            let all = missing.len() == self.contracts.len();
            let which = if all {
                "all".to_owned()
            } else {
                missing.join(", ")
            };
            (!missing.is_empty()).then(|| format!("{which} by {adapter}"))
        };
        self.kept.iter().filter_map(of).collect()
    }
}

fn cell<'a>(title: &str, contract: &str, kept: &'a BTreeMap<String, String>) -> &'a str {
    if contract.is_empty() {
        return "";
    }
    let Some(numbers) = kept.get(contract) else {
        return "MISSING";
    };
    match title.strip_prefix("    ") {
        None => "kept",
        Some(name) => numbers
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(of, _)| *of == name)
            .map_or("", |(_, number)| number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn suite(kept: &[(&str, &[(&str, &str)])]) -> Suite {
        let records = |records: &[(&str, &str)]| {
            let owned = records.iter();
            owned
                .map(|&(it, numbers)| (it.to_owned(), numbers.to_owned()))
                .collect()
        };
        let kept = kept.iter();
        Suite {
            name: "queue".to_owned(),
            contracts: vec!["order.first".to_owned(), "order.second".to_owned()],
            kept: kept
                .map(|&(name, all)| (name.to_owned(), records(all)))
                .collect(),
        }
    }

    #[test]
    fn the_table_shows_who_kept_what() {
        let both = [("order.first", ""), ("order.second", "tries 12\n")];
        let suite = suite(&[("queue-a", &both), ("queue-b", &both[..1])]);
        let expected = "\
queue contracts  queue-a  queue-b
order
  first             kept     kept
  second            kept  MISSING
    tries             12  MISSING
queue-a: 2 of 2
queue-b: 1 of 2
";
        assert_eq!(suite.table(), expected);
        assert_eq!(suite.missing(), ["order.second by queue-b"]);
    }

    #[test]
    fn an_adapter_without_records_is_found() {
        let metadata =
            json!({"packages": [{"name": "queue-a"}, {"name": "queues"}, {"name": "b"}]});
        let adapters = adapters(&metadata, "queue").unwrap();
        assert_eq!(adapters.into_iter().collect::<Vec<_>>(), ["queue-a"]);
        assert_eq!(suite(&[("queue-a", &[])]).missing(), ["all by queue-a"]);
    }
}
