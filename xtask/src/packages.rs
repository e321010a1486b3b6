//! Checks of the files below `deploy`: the container file by hadolint, the units by systemd-analyze, and the Kubernetes manifests
//! by kubectl, and by kubeconform against the published schemas. None of them builds anything.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use workspace::process;

use crate::tools::{IfMissing, is_installed};

/// Highest exposure of a unit that `systemd-analyze security` may compute, in tenths.
const MAX_EXPOSURE_TENTHS: &str = "20";

/// The kustomizations.
const KUSTOMIZATIONS: [&str; 2] = [
    "deploy/kubernetes/base",
    "deploy/kubernetes/overlays/operators",
];

/// Schemas of the resources of operators.
const CRD_SCHEMAS: &str = "https://raw.githubusercontent.com/datreeio/CRDs-catalog/main/\
    {{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json";

/// Runs the checks whose programs are installed.
pub(crate) fn run(if_missing: IfMissing) -> Result<()> {
    let install = "github.com/hadolint/hadolint";
    if is_installed("hadolint", install, "the container file", if_missing)? {
        process::run(Command::new("hadolint").arg("deploy/container/Dockerfile"))?;
    }
    if is_installed(
        "systemd-analyze",
        "apt-get install systemd",
        "the units",
        if_missing,
    )? {
        units()?;
    }
    if is_installed(
        "kubectl",
        "kubernetes.io/docs/tasks/tools",
        "the Kubernetes manifests",
        if_missing,
    )? {
        manifests(if_missing)?;
    }
    Ok(())
}

/// Checks the exposure of each service.
fn units() -> Result<()> {
    for unit in services()? {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager"]);
        analyze.arg(format!("--threshold={MAX_EXPOSURE_TENTHS}"));
        process::capture(analyze.arg(&unit))
            .with_context(|| format!("{} is more exposed than 2.0", unit.display()))?;
    }
    Ok(())
}

fn services() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir("deploy/systemd").context("cannot list deploy/systemd")?;
    let mut services = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "service")
        {
            services.push(path);
        }
    }
    services.sort();
    Ok(services)
}

/// Renders each kustomization, and compares the result with the schemas.
fn manifests(if_missing: IfMissing) -> Result<()> {
    let install = "github.com/yannh/kubeconform";
    let has_schemas = is_installed("kubeconform", install, "schemas of manifests", if_missing)?;
    for kustomization in KUSTOMIZATIONS {
        let rendered =
            process::capture(Command::new("kubectl").args(["kustomize", kustomization]))?;
        if has_schemas {
            conform(&rendered).with_context(|| format!("{kustomization} is invalid"))?;
        }
    }
    Ok(())
}

fn conform(manifests: &str) -> Result<()> {
    let mut child = Command::new("kubeconform")
        .args(["-strict", "-schema-location", "default"])
        .args(["-schema-location", CRD_SCHEMAS])
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(manifests.as_bytes())?;
    }
    if !child.wait()?.success() {
        bail!("kubeconform reported errors");
    }
    Ok(())
}
