//! Rules for Rust sources.

use std::path::Path;

use super::Finding;

const MAX_LINES: usize = 400;

/// What no shipped line holds. Written in two parts, so that this file does not break its own rule.
const UNFINISHED: [&str; 4] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("d", "bg!("),
    concat!("#[ig", "nore"),
];

/// Names that say nothing about what belongs in a module.
const EMPTY_NAMES: [&str; 8] = [
    "utils", "util", "common", "helpers", "helper", "manager", "managers", "misc",
];

/// Checks one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        let problem =
            format!("has {lines} lines, more than {MAX_LINES}: split it by what its parts are for");
        findings.push(Finding::new(path, problem));
    }
    if !text.starts_with("//!") {
        findings.push(Finding::new(
            path,
            "does not open with `//!`: say what it is for",
        ));
    }
    for (index, line) in text.lines().enumerate() {
        for unfinished in UNFINISHED {
            if line.contains(unfinished) {
                let place = format!("{path}:{}", index + 1);
                findings.push(Finding::new(place, format!("holds `{unfinished}`")));
            }
        }
    }
    findings
}

/// Checks the names of modules and of the folders they lie in.
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
                format!("is named {empty}: name it by what it is for"),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        let text = |lines: usize| format!("//! Header.\n{}", "\n".repeat(lines - 1));
        assert_eq!(check("a.rs", &text(400)), []);
        assert_eq!(check("a.rs", &text(401)).len(), 1);
    }

    #[test]
    fn a_file_without_header_is_found() {
        let findings = check("a.rs", "use std::fmt;\n");
        assert!(findings[0].problem.contains("//!"), "{findings:?}");
    }

    #[test]
    fn each_unfinished_word_is_found_with_its_line() {
        for word in UNFINISHED {
            let findings = check("a.rs", &format!("//! Header.\n{word}\n"));
            assert_eq!(findings.len(), 1, "{word}");
            assert_eq!(findings[0].place, "a.rs:2");
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_found_also_of_a_folder() {
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
