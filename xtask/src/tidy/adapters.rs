//! Adapters depend on the domain, not on each other.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;

const FAMILIES: [&str; 2] = ["storage-", "queue-"];
/// The crate that the SQL stores share.
pub(crate) const SHARED_BY_ADAPTERS: &str = "storage-sql";
const SINGLE: [&str; 3] = ["vendor-feeds", "clock-tokio", "signal-in-process"];

/// Checks the dependencies in the manifests.
pub(super) fn check() -> Result<Vec<Finding>> {
    check_metadata(&workspace::metadata()?)
}

fn check_metadata(metadata: &Value) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in list(metadata, "packages")? {
        let name = text(package, "name")?;
        if !is_adapter(name) {
            continue;
        }
        for dependency in list(package, "dependencies")? {
            // Tests may use another adapter.
            let is_for_tests = dependency["kind"] == "dev";
            let other = text(dependency, "name")?;
            if is_adapter(other) && !is_for_tests {
                let place = format!("crates/{name}/Cargo.toml");
                findings.push(Finding::new(
                    place,
                    format!("depends on the adapter {other}"),
                ));
            }
        }
    }
    Ok(findings)
}

fn is_adapter(name: &str) -> bool {
    name != SHARED_BY_ADAPTERS
        && (SINGLE.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family)))
}

fn list<'a>(value: &'a Value, member: &str) -> Result<&'a Vec<Value>> {
    value[member]
        .as_array()
        .with_context(|| format!("cargo metadata has no list {member}"))
}

fn text<'a>(value: &'a Value, member: &str) -> Result<&'a str> {
    value[member]
        .as_str()
        .with_context(|| format!("cargo metadata has no text {member}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, dependency: &str, kind: &Value) -> Value {
        json!({"packages": [{"name": name, "dependencies": [{"name": dependency, "kind": kind}]}]})
    }

    #[test]
    fn adapter_that_depends_on_another_is_found() {
        let violating = package("queue-rabbitmq", "storage-postgres", &Value::Null);
        assert_eq!(check_metadata(&violating).unwrap().len(), 1);
        let violating = package("vendor-feeds", "clock-tokio", &json!("build"));
        assert_eq!(check_metadata(&violating).unwrap().len(), 1);
    }

    #[test]
    fn tests_and_programs_may_depend_on_adapters() {
        for allowed in [
            package("queue-rabbitmq", "storage-memory", &json!("dev")),
            package("worker", "queue-rabbitmq", &Value::Null),
            package("storage-memory", "domain", &Value::Null),
        ] {
            assert_eq!(check_metadata(&allowed).unwrap(), []);
        }
        assert!(check_metadata(&json!({})).is_err());
    }
}
