//! Checks that every contract is in the list of its suite, under its module: an unlisted contract would never run.
#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::fs;
use std::path::Path;

use store_model_test::RECORDED_AS;

/// Returns the contracts that a suite's modules define, each as `module::contract`.
fn defined(suite: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(suite).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let contracts = text
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "))
            .filter_map(|line| line.split('(').next());
        found.extend(contracts.map(|contract| format!("{module}::{contract}")));
    }
    found.sort_unstable();
    found
}

/// Returns the contracts that a suite's list names, each as `module::contract`.
fn listed(suite: &Path) -> Vec<String> {
    let text = fs::read_to_string(suite.join("list.rs")).unwrap();
    let mut module = String::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(contract) = line.strip_suffix(',').filter(|name| is_name(name)) {
            found.push(format!("{module}::{contract}"));
        } else if let Some(name) = line.strip_suffix(" {").filter(|name| is_name(name)) {
            name.clone_into(&mut module);
        }
    }
    found.sort_unstable();
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || it == '_')
}

#[test]
fn every_contract_is_listed() {
    for suite in ["storage", "queue"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(suite);
        let defined = defined(&folder);
        assert!(defined.len() > 10, "{defined:?}");
        assert_eq!(listed(&folder), defined, "suite {suite}");
        let mut recorded: Vec<String> = defined.iter().map(|it| it.replace("::", ".")).collect();
        if suite == "storage" {
            recorded.push(RECORDED_AS.to_owned());
        }
        port_contracts::record_list(env!("CARGO_TARGET_TMPDIR"), suite, &recorded);
    }
}
