//! `cargo xtask openapi`: the document of the REST API, as the code has it, and whether clients of the released version of the
//! contract can live with it.

mod compatibility;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The document of the code.
const DOCUMENT: &str = "docs/openapi.json";

/// The document of the released version.
const BASELINE: &str = "docs/openapi-baseline.json";

/// What to do with the document.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if the document that is committed is not the code's, or if clients of the released version cannot
    /// live with it while its major version is the same.
    #[arg(long, conflicts_with = "release")]
    check: bool,
    /// Make the code's document the released one too, for a release.
    #[arg(long)]
    release: bool,
}

impl Args {
    /// The check alone.
    pub(crate) fn check() -> Self {
        Self {
            check: true,
            release: false,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let document: Value = serde_json::from_str(api::openapi_document())?;
    let text = format!("{document:#}\n");
    if !args.check {
        write(DOCUMENT, &text)?;
        if args.release {
            write(BASELINE, &text)?;
        }
        return Ok(());
    }
    if read(DOCUMENT)? != text {
        bail!("{DOCUMENT} is not what the code says: `cargo xtask openapi` writes it");
    }
    let baseline: Value =
        serde_json::from_str(&read(BASELINE)?).with_context(|| format!("{BASELINE} is no JSON"))?;
    let breaks = compatibility::breaks(&baseline, &document);
    for one in &breaks {
        println!("{one}");
    }
    let (was, is) = (version(&baseline), version(&document));
    if breaks.is_empty() {
        println!("{DOCUMENT} {is} is what the code says; clients of {was} can live with it");
    } else if major(is) > major(was) {
        println!("clients of {was} cannot live with {is}, and its major version says so");
    } else {
        bail!(
            "clients of {was} cannot live with {is}, in {} places: keep what they rely on, or move the major version of the \
             contract",
            breaks.len()
        );
    }
    Ok(())
}

fn version(document: &Value) -> &str {
    document["info"]["version"].as_str().unwrap_or_default()
}

fn major(version: &str) -> Option<u64> {
    version.split('.').next()?.parse().ok()
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(Path::new(path)).with_context(|| format!("cannot read {path}"))
}

fn write(path: &str, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
    println!("wrote {path}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_major_version_is_what_stands_before_the_first_dot() {
        assert_eq!(major("1.20.3"), Some(1));
        assert!(major("2.0.0") > major("1.99.0"));
        assert_eq!(major(""), None);
    }

    #[test]
    fn the_document_of_the_code_is_compatible_with_itself() {
        let document: Value = serde_json::from_str(api::openapi_document()).unwrap();
        assert_eq!(
            compatibility::breaks(&document, &document),
            Vec::<String>::new()
        );
    }
}
