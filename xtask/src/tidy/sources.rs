//! Rules for Rust sources.

use std::path::Path;

use super::Finding;

const MAX_LINES: usize = 400;

/// Text that sources must not contain. Concatenated, so that this file does not violate its own rule.
const UNFINISHED: [&str; 4] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("d", "bg!("),
    concat!("#[ig", "nore"),
];

/// Module names that do not describe their contents.
const EMPTY_NAMES: [&str; 8] = [
    "utils", "util", "common", "helpers", "helper", "manager", "managers", "misc",
];

/// Checks one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        let problem = format!("has {lines} lines, more than {MAX_LINES}: split it by purpose");
        findings.push(Finding::new(path, problem));
    }
    if !text.starts_with("//!") {
        findings.push(Finding::new(
            path,
            "does not start with `//!`: describe its purpose",
        ));
    }
    for (index, line) in text.lines().enumerate() {
        for unfinished in UNFINISHED {
            if line.contains(unfinished) {
                let place = format!("{path}:{}", index + 1);
                findings.push(Finding::new(place, format!("contains `{unfinished}`")));
            }
        }
    }
    findings
}

/// Checks the names of modules and their directories.
pub(super) fn check_names(files: &[String]) -> Vec<Finding> {
    files
        .iter()
        .filter_map(|path| {
            let module = path.strip_suffix(".rs")?;
            let empty = Path::new(module)
                .iter()
                .filter_map(|part| part.to_str())
                .find(|part| EMPTY_NAMES.contains(part))?;
            Some(Finding::new(
                path,
                format!("is named {empty}: name it by its purpose"),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_file_is_found() {
        let text = |lines: usize| format!("//! Header.\n{}", "\n".repeat(lines - 1));
        assert_eq!(check("a.rs", &text(400)), []);
        assert_eq!(check("a.rs", &text(401)).len(), 1);
    }

    #[test]
    fn file_without_module_doc_is_found() {
        let findings = check("a.rs", "use std::fmt;\n");
        assert!(findings[0].problem.contains("//!"), "{findings:?}");
    }

    #[test]
    fn unfinished_code_is_found_with_its_line() {
        for marker in UNFINISHED {
            let findings = check("a.rs", &format!("//! Header.\n{marker}\n"));
            assert_eq!(findings.len(), 1, "{marker}");
            assert_eq!(findings[0].place, "a.rs:2");
        }
    }

    #[test]
    fn non_descriptive_module_or_directory_name_is_found() {
        let files = [
            "crates/a/src/utils.rs",
            "tests/tests/common/mod.rs",
            "crates/a/src/common.md",
        ];
        let files = files.map(str::to_owned);
        assert_eq!(check_names(&files).len(), 2);
        assert_eq!(check_names(&["crates/a/src/commonest.rs".to_owned()]), []);
    }
}
