//! `cargo xtask generated-clients`: generates clients in Python and TypeScript from the OpenAPI document, and uses each to place,
//! read and cancel an order of a running service.

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

/// Maximum number of model files of the Python client. The generator writes one for each schema that is not a component.
const MAX_MODEL_FILES: usize = 40;

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
    let models = fs::read_dir(package.join("models"))?.count();
    println!("the generated Python client has {models} model files");
    ensure!(
        models <= MAX_MODEL_FILES,
        "at most {MAX_MODEL_FILES} model files are allowed: make inline schemas components of the OpenAPI document, or share them"
    );
    Ok(())
}
