//! Rules for migrations: each has a unique number and a down script.

use std::collections::BTreeMap;

use super::Finding;

const MIGRATIONS_DIR: &str = "migrations/";

/// Checks all directories below `migrations/<database>/`.
pub(super) fn check(files: &[String], contents: impl Fn(&str) -> String) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut dirs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in files.iter().filter(|path| path.starts_with(MIGRATIONS_DIR)) {
        if let Some((dir, name)) = path.rsplit_once('/') {
            dirs.entry(dir).or_default().push(name);
        }
    }
    let mut numbers: BTreeMap<String, &str> = BTreeMap::new();
    for (dir, names) in dirs {
        // Files directly in `migrations/` or `migrations/<database>/` are not migrations.
        let Some((database, name)) = dir[MIGRATIONS_DIR.len()..].split_once('/') else {
            continue;
        };
        match number(name) {
            None => findings.push(Finding::new(dir, "is not named <number>_<name>")),
            Some(number) => {
                if let Some(other) = numbers.insert(format!("{database} {number}"), dir) {
                    findings.push(Finding::new(dir, format!("has the same number as {other}")));
                }
            }
        }
        for script in ["up.sql", "down.sql"] {
            let missing =
                !names.contains(&script) || contents(&format!("{dir}/{script}")).trim().is_empty();
            if missing {
                findings.push(Finding::new(dir, format!("{script} is missing or empty")));
            }
        }
    }
    findings
}

/// Returns the number as diesel parses it: the part before the first `_`, without dashes.
fn number(name: &str) -> Option<String> {
    let (number, title) = name.split_once('_')?;
    let number = number.replace('-', "");
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !title.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(paths: &[&str]) -> Vec<Finding> {
        let files: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        check(&files, |path| {
            if path.contains("empty") {
                " \n"
            } else {
                "select 1;"
            }
            .to_owned()
        })
    }

    #[test]
    fn migration_without_a_down_script_is_found() {
        assert_eq!(
            findings(&["migrations/pg/2026-01-01-000001_a/up.sql"]).len(),
            1
        );
        assert_eq!(
            findings(&[
                "migrations/pg/1_empty/up.sql",
                "migrations/pg/1_empty/down.sql"
            ])
            .len(),
            2
        );
    }

    #[test]
    fn missing_or_repeated_number_is_found() {
        let both = |dir: &str| [format!("{dir}/up.sql"), format!("{dir}/down.sql")];
        let paths = |dirs: &[&str]| dirs.iter().flat_map(|dir| both(dir)).collect::<Vec<_>>();
        let count = |dirs: &[&str]| {
            let paths = paths(dirs);
            findings(&paths.iter().map(String::as_str).collect::<Vec<_>>()).len()
        };
        assert_eq!(count(&["migrations/pg/first_orders"]), 1);
        assert_eq!(count(&["migrations/pg/1_a", "migrations/pg/1_b"]), 1);
        assert_eq!(count(&["migrations/pg/1_a", "migrations/sqlite/1_a"]), 0);
    }
}
