//! Rules for documents: commands, links and files that they name must exist.

use std::path::{Component, Path, PathBuf};

use clap::{CommandFactory, Parser};

use super::{Finding, has_extension};
use crate::{Cli, Command};

const COMMAND: &str = "cargo xtask ";

/// Extensions by which a code span is recognised as a file name.
const FILE_EXTENSIONS: [&str; 7] = ["rs", "toml", "md", "yaml", "yml", "sql", "json"];

/// Files that are created at run time and are not part of the project.
const GENERATED: [&str; 1] = ["started.json"];

/// Checks that each `cargo xtask` command and its flags exist. `sources` returns the sources of a package, in which the flags of
/// a command of another program are defined.
pub(super) fn check_commands(
    path: &str,
    text: &str,
    sources: impl Fn(&str) -> String,
) -> Vec<Finding> {
    let mut cli = Cli::command();
    cli.build();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for rest in line.split(COMMAND).skip(1) {
            let command = rest
                .split(['`', '#', '|', '&', ';'])
                .next()
                .unwrap_or_default();
            if let Some(problem) = command_problem(&cli, command, &sources) {
                findings.push(Finding::new(format!("{path}:{}", index + 1), problem));
            }
        }
    }
    findings
}

fn command_problem(
    cli: &clap::Command,
    command: &str,
    sources: impl Fn(&str) -> String,
) -> Option<String> {
    let mut words = command
        .split(|char: char| !(char.is_ascii_alphanumeric() || char == '-'))
        .filter(|word| !word.is_empty());
    let name = words.next()?;
    let Some(mut found) = cli.find_subcommand(name) else {
        return Some(format!("`{COMMAND}{name}` is not a command"));
    };
    for word in words.take_while(|word| *word != "--") {
        if let Some(inner) = found.find_subcommand(word) {
            found = inner;
        } else if let Some(flag) = word.strip_prefix("--") {
            let known = found
                .get_arguments()
                .any(|argument| argument.get_long() == Some(flag));
            if !known && !package(name).is_some_and(|it| defines_flag(&sources(it), flag)) {
                return Some(format!("`{COMMAND}{name}` has no flag --{flag}"));
            }
        }
    }
    None
}

/// Returns the package of the program that runs a command; `None` for this program.
fn package(command: &str) -> Option<&'static str> {
    match Cli::try_parse_from(["xtask", command]).ok()?.command {
        Command::Forwarded(command) => Some(command.package()),
        _ => None,
    }
}

/// Returns whether sources contain a field for the flag, or name it.
fn defines_flag(sources: &str, flag: &str) -> bool {
    let field = format!(" {}: ", flag.replace('-', "_"));
    sources.contains(&field) || sources.contains(&format!("long = \"{flag}\""))
}

/// Checks that each relative link points to a file or directory of the project.
pub(super) fn check_links(path: &str, text: &str, files: &[String]) -> Vec<Finding> {
    let dir = Path::new(path).parent().unwrap_or(Path::new(""));
    prose(text)
        .flat_map(|(number, line)| links(line).map(move |link| (number, link)))
        .filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:"))
        .filter_map(|(number, link)| {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() {
                return None;
            }
            let found = resolved(dir, target).is_some_and(|target| exists(&target, files));
            (!found).then(|| {
                Finding::new(
                    format!("{path}:{number}"),
                    format!("links to {target}, which does not exist"),
                )
            })
        })
        .collect()
}

/// Checks that each file named in a code span exists, by its full path or by a suffix such as `ports/store.rs`.
pub(super) fn check_named_files(path: &str, text: &str, files: &[String]) -> Vec<Finding> {
    prose(text)
        .flat_map(|(number, line)| {
            line.split('`')
                .skip(1)
                .step_by(2)
                .map(move |word| (number, word))
        })
        .filter(|(_, word)| {
            is_file_name(word) && !GENERATED.iter().any(|made| word.ends_with(made))
        })
        .filter(|(_, word)| {
            let end = format!("/{word}");
            !files
                .iter()
                .any(|file| file == word || file.ends_with(&end))
        })
        .map(|(number, word)| {
            Finding::new(
                format!("{path}:{number}"),
                format!("names {word}, which does not exist"),
            )
        })
        .collect()
}

/// Returns the lines outside fenced blocks with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        (!fenced && !is_fence).then_some((index + 1, line))
    })
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter_map(|link| link.split_whitespace().next())
}

fn is_file_name(word: &str) -> bool {
    let plain = word
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    plain
        && !word.starts_with(['/', '.'])
        && FILE_EXTENSIONS
            .iter()
            .any(|extension| has_extension(word, extension))
}

/// Resolves a target to a path from the root; `None` if it is outside.
pub(super) fn resolved(dir: &Path, target: &str) -> Option<String> {
    let mut path = PathBuf::new();
    for part in dir.join(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    Some(path.to_str()?.to_owned())
}

fn exists(target: &str, files: &[String]) -> bool {
    let dir = format!("{target}/");
    target.is_empty()
        || files
            .iter()
            .any(|file| file == target || file.starts_with(&dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<String> {
        [
            "README.md",
            "docs/guide.md",
            "crates/domain/src/ports/store.rs",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn commands(text: &str) -> Vec<Finding> {
        let sources = |package: &str| match package {
            "admin" => "    products: u32,\n    seed: u64,".to_owned(),
            _ => String::new(),
        };
        check_commands("README.md", text, sources)
    }

    #[test]
    fn unknown_command_is_found() {
        let text = "Run `cargo xtask up`.\n\n    cargo xtask explode --now\n";
        let findings = commands(text);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "README.md:3");
    }

    #[test]
    fn unknown_flag_is_found() {
        for wrong in ["up --fast", "seed --fast", "ci --products 1"] {
            assert_eq!(commands(&format!("`cargo xtask {wrong}`")).len(), 1);
        }
        for right in [
            "seed --products 5 --seed 2",
            "services stop` and `cargo xtask …",
            "test -- --no-capture",
            "up --config FILE",
        ] {
            assert_eq!(commands(&format!("`cargo xtask {right}`")), []);
        }
    }

    #[test]
    fn broken_link_is_found() {
        let text = "[a](docs/guide.md#part) [b](docs) [c](https://example.org/x) [d](#here)\n[e](docs/none.md)\n";
        let findings = check_links("README.md", text, &files());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].place, "README.md:2");
        assert_eq!(
            check_links("docs/guide.md", "[up](../README.md)", &files()),
            []
        );
        assert_eq!(
            check_links("docs/guide.md", "[out](../../README.md)", &files()).len(),
            1
        );
    }

    #[test]
    fn missing_named_file_is_found() {
        let named = |text: &str| check_named_files("ARCHITECTURE.md", text, &files()).len();
        assert_eq!(
            named("see `ports/store.rs` and `crates/domain/src/ports/store.rs`"),
            0
        );
        assert_eq!(named("see `ports/gone.rs`"), 1);
        assert_eq!(named("see `crates/domain/src/gone.rs`"), 1);
        assert_eq!(named("`GET /openapi.json`, `a.b()` and `/openapi.json`"), 0);
        assert_eq!(named("```\n`ports/gone.rs`\n```\n"), 0);
    }
}
