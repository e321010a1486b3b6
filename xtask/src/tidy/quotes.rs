//! Code in documents is quoted from files: a Rust block must name its file, and the file must contain the block.

use super::Finding;

const FENCE: &str = "```";

/// A fenced block: line of the fence, language, file and text.
struct Block<'a> {
    line: usize,
    language: &'a str,
    file: Option<&'a str>,
    text: String,
}

/// Checks the Rust blocks of a document. `contents` reads a file of the project.
pub(super) fn check(
    path: &str,
    text: &str,
    contents: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let problem = |block: &Block<'_>| {
        let Some(file) = block.file else {
            return Some("is a code block without a file name".to_owned());
        };
        let Some(source) = contents(file) else {
            return Some(format!("quotes {file}, which does not exist"));
        };
        (!contains_quote(&source, &block.text))
            .then(|| format!("quotes code that {file} does not contain"))
    };
    blocks(text)
        .iter()
        .filter(|block| block.language == "rust")
        .filter_map(|block| {
            Some(Finding::new(
                format!("{path}:{}", block.line),
                problem(block)?,
            ))
        })
        .collect()
}

fn contains_quote(source: &str, quote: &str) -> bool {
    let starts_a_line = |at: usize| at == 0 || source[..at].ends_with('\n');
    !quote.is_empty() && source.match_indices(quote).any(|(at, _)| starts_a_line(at))
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix(FENCE), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                let mut words = info.split_whitespace();
                open = Some(Block {
                    line: index + 1,
                    language: words.next().unwrap_or_default(),
                    file: words.next(),
                    text: String::new(),
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<Finding> {
        check("docs/a.md", text, |file| {
            (file == "src/a.rs").then(|| "fn a() {\n    b();\n}\n".to_owned())
        })
    }

    #[test]
    fn quote_contained_in_its_file_is_accepted() {
        assert_eq!(findings("```rust src/a.rs\n    b();\n}\n```\n"), []);
        assert_eq!(findings("```sh\ncargo build\n```\n"), []);
    }

    #[test]
    fn quote_not_contained_in_its_file_is_found() {
        for wrong in ["    c();\n", "b();\n", ""] {
            let text = format!("one\n```rust src/a.rs\n{wrong}```\n");
            let found = findings(&text);
            assert_eq!(found.len(), 1, "{wrong:?}");
            assert_eq!(found[0].place, "docs/a.md:2");
        }
        assert_eq!(findings("```rust src/none.rs\nfn a() {\n```\n").len(), 1);
        assert_eq!(findings("```rust\nfn a() {\n```\n").len(), 1);
    }
}
