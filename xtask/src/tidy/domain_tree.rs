//! The domain may depend only on a short list of crates, and on no crate that does I/O.

use anyhow::Result;
use workspace::process;

use super::Finding;

/// Crates that the domain's manifest may name. The two channel crates are independent of a runtime: they carry requests to
/// the batch writer (many to many, bounded) and its responses back. SHA-256, in hexadecimal digits,
/// identifies a vendor set.
const ALLOWED: [&str; 13] = [
    "async-channel",
    "async-trait",
    "backon",
    "futures-channel",
    // `join` for the relay's commit and publishing; no runtime.
    "futures-util",
    "hex",
    "mockall",
    "sha2",
    // Derives the strings of enums; no code at run time.
    "strum",
    "thiserror",
    "time",
    "tracing",
    // Product ids are compared in NFC: tables and a check, no I/O.
    "unicode-normalization",
];

/// Crates, or crate families, that do I/O, run tasks or serialise values.
const BANNED: [&str; 14] = [
    "actix",
    "amiquip",
    "amq-protocol",
    "config",
    "deadpool",
    "diesel",
    "hyper",
    "mio",
    "postgres",
    "reqwest",
    "serde",
    "socket2",
    "tokio",
    "tracing-subscriber",
];

/// Checks the domain's dependency tree with all of the domain's features, without features that other crates enable.
pub(super) fn check() -> Result<Vec<Finding>> {
    let tree = |depth: &str| {
        process::capture(workspace::cargo().args([
            "tree",
            "--package",
            "domain",
            "--edges",
            "normal,build",
            "--all-features",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--depth",
            depth,
        ]))
    };
    let mut findings = check_direct(&tree("1")?);
    findings.extend(check_all(&tree("1000")?));
    Ok(findings)
}

fn check_direct(tree: &str) -> Vec<Finding> {
    names(tree)
        .filter(|name| !ALLOWED.contains(name))
        .map(|name| {
            Finding::new(
                "crates/domain/Cargo.toml",
                format!("depends on {name}, which is not in the list of allowed crates"),
            )
        })
        .collect()
}

fn check_all(tree: &str) -> Vec<Finding> {
    names(tree)
        .filter(|name| BANNED.iter().any(|banned| is_of_family(name, banned)))
        .map(|name| Finding::new("crates/domain/Cargo.toml", format!("depends on {name}")))
        .collect()
}

/// Returns the crate names after the first, which is the domain itself.
fn names(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
}

fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_that_is_not_in_the_list_is_found() {
        let tree = "domain v0.1.0 (/p)\nthiserror v2.0.21\nfutures-lite v2.6.1\n";
        let findings = check_direct(tree);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].problem.contains("futures-lite"));
    }

    #[test]
    fn banned_crate_is_found_at_any_depth() {
        let tree = "domain v0.1.0 (/p)\nbackon v1.6.0\ntokio v1.54.1\ndiesel_derives v2.3.10 (proc-macro)\nserde v1.0.1\n";
        assert_eq!(check_all(tree).len(), 3);
        assert_eq!(
            check_all("domain v0.1.0\ntime v0.3.55\nconfigure-me v1.0.0\n"),
            []
        );
    }

    #[test]
    fn domain_satisfies_the_rule() {
        assert_eq!(check().unwrap(), []);
    }
}
