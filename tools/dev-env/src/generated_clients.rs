//! `cargo xtask generated-clients`: generates clients in Python and TypeScript from the OpenAPI document, and uses each to place,
//! read and cancel an order of a running service.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use settings::Settings;
use tokio::process::Command;
use workspace::process;

use crate::packages::{self, Args};
use crate::target;

const PYTHON: &str = "tools/dev-env/clients/python";
const TYPESCRIPT: &str = "tools/dev-env/clients/typescript";

/// Models of the Python client that are no components of the document: an object whose members have no fixed names.
const UNNAMED_MODELS: [&str; 1] = ["readiness_tasks"];

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    let installed =
        packages::python(PYTHON).and_then(|python| Ok((python, packages::npm(TYPESCRIPT)?)));
    let Some((python, node)) = args.unless_missing("generated clients", installed)? else {
        return Ok(());
    };
    packages::npm_run(&node, "generate")?;
    generate_python(&python, &node.join("openapi.json"))?;
    target::run(false, settings, async |target| {
        let mut python_client = Command::new(python.join("bin/python"));
        python_client
            .arg(Path::new(PYTHON).join("order.py"))
            .env("PYTHONPATH", &python);
        let mut node_client = Command::new("node");
        node_client.arg(node.join("order.js"));
        for mut client in [python_client, node_client] {
            client
                .env("API_URL", target.url())
                .env("API_KEY", target.key());
            let status = client.status().await.context("cannot run the client")?;
            ensure!(status.success(), "a client failed: see its output above");
        }
        Ok(())
    })
}

/// Generates the Python client into the virtual environment.
fn generate_python(dir: &Path, document: &Path) -> Result<()> {
    let package = dir.join("order_aggregator");
    let mut generator = std::process::Command::new(dir.join("bin/openapi-python-client"));
    generator
        .args(["generate", "--meta", "none", "--overwrite"])
        .arg("--fail-on-warning")
        .arg("--config")
        .arg(Path::new(PYTHON).join("generator.yaml"))
        .arg("--path")
        .arg(document)
        .arg("--output-path")
        .arg(&package);
    process::run(&mut generator)?;
    let components = components(document)?;
    let models = model_names(&package.join("models"))?;
    println!(
        "the generated Python client has {} model files",
        models.len()
    );
    let is_unnamed =
        |name: &&String| !components.contains(*name) && !UNNAMED_MODELS.contains(&name.as_str());
    let unnamed: Vec<&str> = models
        .iter()
        .filter(is_unnamed)
        .map(String::as_str)
        .collect();
    ensure!(
        unnamed.is_empty(),
        "models of inline schemas: {}: make them components of the OpenAPI document, or share them",
        unnamed.join(", ")
    );
    Ok(())
}

/// The names of the schemas that are components, as the generator names their modules.
fn components(document: &Path) -> Result<BTreeSet<String>> {
    let document: serde_json::Value = serde_json::from_str(&fs::read_to_string(document)?)?;
    let schemas = document["components"]["schemas"].as_object();
    let schemas = schemas.context("the OpenAPI document has no components")?;
    Ok(schemas.keys().map(|name| snake_case(name)).collect())
}

/// The names of the modules in a directory.
fn model_names(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name != "__init__" && path.extension().is_some_and(|extension| extension == "py") {
            names.push(name.into_owned());
        }
    }
    Ok(names)
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, char) in name.char_indices() {
        if at > 0 && char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_after_components() {
        assert_eq!(snake_case("OriginalNewOrder"), "original_new_order");
        assert_eq!(snake_case("Run"), "run");
    }
}
