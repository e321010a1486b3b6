//! `cargo xtask tidy`: rules that the compiler and clippy do not cover. Each rule is a function from text to findings, and is
//! tested with a sample that violates it.

mod columns;
mod dependencies;
mod documents;
mod domain_tree;
mod embedded_tree;
mod file_cycles;
mod language;
mod migrations;
mod monitoring;
mod named_functions;
mod quotes;
mod sources;
mod tokens;

pub(crate) use dependencies::SHARED_BY_ADAPTERS;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    place: String,
    problem: String,
}

impl Finding {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Runs the command.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root();
    let files = workspace::files(&root)?;
    let mut findings = sources::check_names(&files);
    for path in files.iter().filter(|path| has_extension(path, "rs")) {
        let text = read(&root, path)?;
        findings.extend(sources::check(path, &text));
        if !path.ends_with("tidy/language.rs") {
            findings.extend(language::check(path, &text));
        }
        if !path.contains("tests") && !path.ends_with("tidy/columns.rs") {
            findings.extend(columns::check(path, &text));
        }
    }
    let sources = |package: &str| -> String {
        let dir = format!("/{package}/src/");
        let files = files.iter().filter(|path| path.contains(&dir));
        files.filter_map(|path| read(&root, path).ok()).collect()
    };
    let documents: Vec<&String> = files
        .iter()
        .filter(|path| has_extension(path, "md"))
        .collect();
    for path in &documents {
        let text = read(&root, path)?;
        findings.extend(language::check(path, &text));
        findings.extend(documents::check_commands(path, &text, sources));
        findings.extend(documents::check_links(path, &text, &files));
        findings.extend(documents::check_named_files(path, &text, &files));
        findings.extend(quotes::check(path, &text, |file| read(&root, file).ok()));
        let functions = named_functions::check(path, &text, |file| read(&root, file).ok());
        findings.extend(functions);
    }
    for expected in ["README.md", "ARCHITECTURE.md"] {
        if !documents.iter().any(|path| *path == expected) {
            findings.push(Finding::new(expected, "is missing"));
        }
    }
    let contents = |path: &str| read(&root, path).unwrap_or_default();
    findings.extend(migrations::check(&files, contents));
    findings.extend(monitoring::check(&files, contents));
    findings.extend(file_cycles::check(&files, contents));
    findings.extend(domain_tree::check()?);
    findings.extend(embedded_tree::check()?);
    findings.extend(dependencies::check()?);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files", files.len());
            Ok(())
        }
        count => bail!("tidy found {count} violations"),
    }
}

fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}
