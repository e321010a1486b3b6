//! `cargo xtask openapi`: writes the OpenAPI document generated from the code, or checks the committed one and its
//! compatibility with the released version.

mod compatibility;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::forward;

/// Document generated from the code.
const DOCUMENT: &str = "docs/reference/openapi.json";

/// Document of the released version.
const BASELINE: &str = "docs/reference/openapi-baseline.json";

/// Arguments of `openapi`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check only: fail if the committed document is out of date, or if it breaks clients of the released version without a
    /// new major version.
    #[arg(long, conflicts_with = "release")]
    check: bool,
    /// Also write the document of the released version.
    #[arg(long)]
    release: bool,
}

impl Args {
    /// Arguments for the check.
    pub(crate) fn check() -> Self {
        Self {
            check: true,
            release: false,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let document: Value =
        serde_json::from_str(&forward::output_of_dev_env(None, &["print-openapi"])?)?;
    let text = format!("{document:#}\n");
    if !args.check {
        write(DOCUMENT, &text)?;
        if args.release {
            write(BASELINE, &text)?;
        }
        return Ok(());
    }
    if read(DOCUMENT)? != text {
        bail!("{DOCUMENT} is out of date: run `cargo xtask openapi`");
    }
    let baseline: Value = serde_json::from_str(&read(BASELINE)?)
        .with_context(|| format!("{BASELINE} is not valid JSON"))?;
    let breaks = compatibility::breaks(&baseline, &document);
    for one in &breaks {
        println!("{one}");
    }
    let (was, is) = (version(&baseline), version(&document));
    if breaks.is_empty() {
        println!("{DOCUMENT} {is} is up to date and compatible with {was}");
    } else if major(is) > major(was) {
        println!("{is} is not compatible with {was}, as its major version indicates");
    } else {
        bail!(
            "{is} breaks clients of {was} in {} places: restore compatibility, or increase the major version of the \
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

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
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
    fn major_version_is_the_part_before_the_first_dot() {
        assert_eq!(major("1.20.3"), Some(1));
        assert!(major("2.0.0") > major("1.99.0"));
        assert_eq!(major(""), None);
    }

    #[test]
    fn document_is_compatible_with_itself() {
        let file = workspace::root().join(DOCUMENT);
        let document: Value = serde_json::from_str(&read(file).unwrap()).unwrap();
        assert_eq!(
            compatibility::breaks(&document, &document),
            Vec::<String>::new()
        );
    }
}
