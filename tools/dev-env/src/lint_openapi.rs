//! `cargo xtask lint-openapi`: checks the OpenAPI document with redocly and spectral, as users of code generators do.

use anyhow::Result;

use crate::packages::{self, Args};

/// Directory of the packages and of the rules.
const SOURCE: &str = "tools/dev-env/openapi-lint";

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    match args.unless_missing("rules for OpenAPI documents", packages::npm(SOURCE))? {
        Some(dir) => packages::npm_run(&dir, "lint"),
        None => Ok(()),
    }
}
