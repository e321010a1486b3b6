//! Rules for migrations: numbered, each number once, and each can be undone.

use std::collections::BTreeMap;

use super::Finding;

const FOLDER: &str = "migrations/";

/// Checks all folders below `migrations/<database>/`.
pub(super) fn check(files: &[String], contents: impl Fn(&str) -> String) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in files.iter().filter(|path| path.starts_with(FOLDER)) {
        if let Some((folder, name)) = path.rsplit_once('/') {
            folders.entry(folder).or_default().push(name);
        }
    }
    let mut numbers: BTreeMap<String, &str> = BTreeMap::new();
    for (folder, names) in folders {
        // Files in `migrations/` and `migrations/<database>/` themselves are no migrations.
        let Some((database, name)) = folder[FOLDER.len()..].split_once('/') else {
            continue;
        };
        match number(name) {
            None => findings.push(Finding::new(folder, "is not named <number>_<name>")),
            Some(number) => {
                if let Some(other) = numbers.insert(format!("{database} {number}"), folder) {
                    findings.push(Finding::new(
                        folder,
                        format!("has the same number as {other}"),
                    ));
                }
            }
        }
        for script in ["up.sql", "down.sql"] {
            let missing = !names.contains(&script)
                || contents(&format!("{folder}/{script}")).trim().is_empty();
            if missing {
                findings.push(Finding::new(
                    folder,
                    format!("has no {script}, or an empty one"),
                ));
            }
        }
    }
    findings
}

/// The number as diesel reads it: what stands before the first `_`, without dashes.
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
    fn a_migration_that_cannot_be_undone_is_found() {
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
    fn a_missing_or_repeated_number_is_found() {
        let both = |folder: &str| [format!("{folder}/up.sql"), format!("{folder}/down.sql")];
        let paths = |folders: &[&str]| {
            folders
                .iter()
                .flat_map(|folder| both(folder))
                .collect::<Vec<_>>()
        };
        let count = |folders: &[&str]| {
            let paths = paths(folders);
            findings(&paths.iter().map(String::as_str).collect::<Vec<_>>()).len()
        };
        assert_eq!(count(&["migrations/pg/first_orders"]), 1);
        assert_eq!(count(&["migrations/pg/1_a", "migrations/pg/1_b"]), 1);
        assert_eq!(count(&["migrations/pg/1_a", "migrations/sqlite/1_a"]), 0);
    }
}
