//! Functions that documents name: a link with a code span as its text and a Rust file as its target must name a function of
//! that file. A table of tests must name each function in one row, with everything that the test proves.

use std::collections::HashSet;
use std::path::Path;

use super::documents::resolved;
use super::{Finding, has_extension};

/// Checks the function links of a document. `contents` reads a file of the project.
pub(super) fn check(
    path: &str,
    text: &str,
    contents: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let mut findings = missing(path, text, contents);
    findings.extend(repeated(path, text));
    findings
}

fn repeated(path: &str, text: &str) -> Vec<Finding> {
    let mut seen = HashSet::new();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.starts_with('|') {
            // The end of a table.
            seen.clear();
            continue;
        }
        for function in named(line).filter(|function| !seen.insert(*function)) {
            let name = function.0;
            findings.push(Finding::new(
                format!("{path}:{number}"),
                format!("names the function {name}, which another row of the table names, too"),
            ));
        }
    }
    findings
}

fn missing(path: &str, text: &str, contents: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let dir = Path::new(path).parent().unwrap_or(Path::new(""));
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(index, line)| named(line).map(move |it| (index + 1, it)))
        .filter_map(|(number, (name, target))| {
            let file = resolved(dir, target)?;
            let defined = contents(&file)?.contains(&format!("fn {name}("));
            (!defined).then(|| {
                Finding::new(
                    format!("{path}:{number}"),
                    format!("names the function {name}, which {file} does not contain"),
                )
            })
        })
        .collect()
}

/// Returns each ``[`name`](file.rs)`` of a line.
fn named(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("`](")?;
        let (target, _) = rest.split_once(')')?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && has_extension(target, "rs")).then_some((name, target))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Option<String> {
        (path == "tests/a.rs").then(|| "async fn one_thing() {}\nfn other() {}".to_owned())
    }

    #[test]
    fn missing_function_is_found() {
        let text = "| row | [`one_thing`](../tests/a.rs), [`gone`](../tests/a.rs) |";
        let findings = check("docs/list.md", text, file);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "docs/list.md:1");
        assert!(findings[0].problem.contains("gone"));
        assert_eq!(check("docs/list.md", "[`other`](../tests/a.rs)", file), []);
    }

    #[test]
    fn function_named_by_two_rows_is_found() {
        let text = "| one | [`other`](../tests/a.rs) |\n| two | [`other`](../tests/a.rs) |";
        let findings = check("docs/list.md", text, file);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "docs/list.md:2");
        let prose = "[`other`](../tests/a.rs) as in\n[`other`](../tests/a.rs)";
        assert_eq!(check("docs/list.md", prose, file), []);
    }

    #[test]
    fn other_links_are_ignored() {
        for text in [
            "[`tests/a.rs`](../tests/a.rs)",
            "[`gone`](guide.md)",
            "[gone](../tests/a.rs)",
        ] {
            assert_eq!(check("docs/list.md", text, file), [], "{text}");
        }
    }
}
