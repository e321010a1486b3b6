//! The standalone program must not depend on crates that only a deployment on servers needs.

use anyhow::Result;
use workspace::process;

use super::Finding;

/// Clients of PostgreSQL or RabbitMQ.
const BANNED: [&str; 6] = [
    "amiquip",
    "diesel-async",
    "queue-rabbitmq",
    "storage-postgres",
    "tokio-postgres",
    "pq-sys",
];

/// Checks the program's dependency tree as `cargo run` builds it.
pub(super) fn check() -> Result<Vec<Finding>> {
    let tree = process::capture(workspace::cargo().args([
        "tree",
        "--package",
        "standalone",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    Ok(check_tree(&tree))
}

fn check_tree(tree: &str) -> Vec<Finding> {
    let names = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    BANNED
        .into_iter()
        .filter(|banned| names.clone().any(|name| name == *banned))
        .map(|banned| {
            Finding::new(
                "crates/standalone/Cargo.toml",
                format!("depends on {banned}"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_client_is_found_at_any_depth() {
        let tree = "standalone v0.1.0 (/p)\napi v0.1.0 (/p)\ntokio-postgres v0.7.13\nwiring v0.1.0 (/p)\namiquip v0.4.2\n";
        assert_eq!(check_tree(tree).len(), 2);
        assert_eq!(check_tree("standalone v0.1.0\ndiesel v2.3.14\n"), []);
    }

    #[test]
    fn standalone_satisfies_the_rule() {
        assert_eq!(check().unwrap(), []);
    }
}
