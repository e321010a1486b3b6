//! Rules for dependencies between packages of this workspace: adapters depend on the domain, not on each other; packages in
//! `crates` do not depend on development tools, which are in `tools`.

use anyhow::Result;
use cargo_metadata::DependencyKind;

use super::Finding;

const FAMILIES: [&str; 2] = ["storage-", "queue-"];
/// The crate that the SQL stores share.
pub(crate) const SHARED_BY_ADAPTERS: &str = "storage-sql";
const SINGLE: [&str; 3] = ["vendor-feeds", "clock-tokio", "signal-in-process"];

/// A package as a rule sees it.
#[derive(Clone, Copy)]
struct Package<'a> {
    name: &'a str,
    /// Path from the root.
    path: &'a str,
}

/// Checks the dependencies in the manifests.
pub(super) fn check() -> Result<Vec<Finding>> {
    let metadata = workspace::metadata()?;
    let root = metadata.workspace_root.as_path();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let manifest = package.manifest_path.strip_prefix(root)?.as_str();
        let own = Package {
            name: &package.name,
            path: manifest,
        };
        for dependency in &package.dependencies {
            let path = dependency.path.as_ref();
            let Some(path) = path.and_then(|path| path.strip_prefix(root).ok()) else {
                continue;
            };
            let other = Package {
                name: &dependency.name,
                path: path.as_str(),
            };
            let problem = problem(own, other, dependency.kind);
            findings.extend(problem.map(|problem| Finding::new(manifest, problem)));
        }
    }
    Ok(findings)
}

/// Returns the rule that a dependency violates.
fn problem(package: Package<'_>, other: Package<'_>, kind: DependencyKind) -> Option<String> {
    let is_in = |package: Package<'_>, dir| package.path.starts_with(dir);
    if is_in(package, "crates/") && is_in(other, "tools/") {
        return Some(format!("depends on the development tool {}", other.name));
    }
    // Tests may use another adapter.
    let is_for_tests = kind == DependencyKind::Development;
    let violates = is_adapter(package.name) && is_adapter(other.name) && !is_for_tests;
    violates.then(|| format!("depends on the adapter {}", other.name))
}

fn is_adapter(name: &str) -> bool {
    name != SHARED_BY_ADAPTERS
        && (SINGLE.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_and_shipped_packages_have_forbidden_dependencies() {
        use DependencyKind::{Build, Development, Normal};
        let package = |path| Package {
            name: str::rsplit(path, '/').next().unwrap(),
            path,
        };
        for (path, other, kind, is_allowed) in [
            (
                "crates/queue-rabbitmq",
                "crates/storage-postgres",
                Normal,
                false,
            ),
            ("crates/vendor-feeds", "crates/clock-tokio", Build, false),
            (
                "crates/queue-rabbitmq",
                "crates/storage-memory",
                Development,
                true,
            ),
            ("crates/worker", "crates/queue-rabbitmq", Normal, true),
            ("crates/storage-memory", "crates/domain", Normal, true),
            ("crates/api", "tools/dev-env", Normal, false),
            ("crates/api", "tools/dev-env", Development, false),
            ("tools/bench", "tools/dev-env", Normal, true),
            ("tests", "crates/client", Normal, true),
        ] {
            let found = problem(package(path), package(other), kind);
            assert_eq!(found.is_none(), is_allowed, "{path} {other} {found:?}");
        }
    }

    #[test]
    fn this_workspace_satisfies_the_rules() {
        assert_eq!(check().unwrap(), []);
    }
}
