//! Secrets that the settings name but do not contain: a variable or a file has them.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::super::{Problem, problem};
use crate::environment;

/// Where a secret is. It is read when the feed is created, because a program without feeds need not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// Name of the setting, for messages.
    setting: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A variable of the environment or of `.env`.
    Variable(String),
    File(PathBuf),
}

impl SecretSource {
    /// The secret in the settings `NAME_env` or `NAME_file`, of which at most one may be set.
    pub(super) fn parse(
        name: &str,
        variable: Option<String>,
        file: Option<PathBuf>,
    ) -> Result<Option<Self>, Problem> {
        let (suffix, place) = match (variable, file) {
            (None, None) => return Ok(None),
            (Some(variable), None) => {
                check_variable(&format!("source.auth.{name}_env"), &variable)?;
                ("env", Place::Variable(variable))
            }
            (None, Some(file)) => ("file", Place::File(file)),
            (Some(_), Some(_)) => {
                let text = format!("is set, and {name}_env too, expected one of the two");
                return Err(problem(format!("source.auth.{name}_file"), text));
            }
        };
        Ok(Some(Self {
            setting: format!("source.auth.{name}_{suffix}"),
            place,
        }))
    }

    /// As [`parse`](Self::parse), of a secret that must be set.
    pub(super) fn require(
        name: &str,
        variable: Option<String>,
        file: Option<PathBuf>,
    ) -> Result<Self, Problem> {
        let found = Self::parse(name, variable, file)?;
        found.ok_or_else(|| {
            let text = format!("{name}_env or {name}_file is missing, which states where it is");
            problem("source.auth", text)
        })
    }

    /// The value of the header `name` in the settings `value_env` or `value_file`.
    pub(super) fn of_header(
        name: &str,
        variable: Option<String>,
        file: Option<PathBuf>,
    ) -> Result<Self, Problem> {
        let (suffix, place) = match (variable, file) {
            (Some(variable), None) => {
                check_variable(&format!("source.headers.{name}.value_env"), &variable)?;
                ("env", Place::Variable(variable))
            }
            (None, Some(file)) => ("file", Place::File(file)),
            (None, None) | (Some(_), Some(_)) => {
                let text = "is a table, expected value_env or value_file in it";
                return Err(problem(format!("source.headers.{name}"), text));
            }
        };
        Ok(Self {
            setting: format!("source.headers.{name}.value_{suffix}"),
            place,
        })
    }

    /// A file that has a secret.
    pub(super) fn in_file(setting: &str, file: PathBuf) -> Self {
        Self {
            setting: format!("source.auth.{setting}"),
            place: Place::File(file),
        }
    }

    /// Reads the secret. A line break at the end of a file is removed.
    ///
    /// # Errors
    /// One line that names the setting and the problem, without the secret.
    pub fn read(&self) -> Result<SecretString, String> {
        let setting = &self.setting;
        let secret = match &self.place {
            Place::Variable(name) => environment::variable(name, Path::new(".env"))
                .map_err(|error| format!("{setting}: {error}"))?
                .ok_or_else(|| {
                    format!("{setting} names the variable {name}, which has no value in the environment or in .env")
                })?,
            Place::File(path) => {
                let shown = path.display();
                let mut text = fs::read_to_string(path)
                    .map_err(|error| format!("{setting} is {shown}, which cannot be read: {error}"))?;
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
                if text.is_empty() {
                    return Err(format!("{setting} is {shown}, which is empty"));
                }
                text
            }
        };
        Ok(secret.into())
    }
}

/// Checks the name of a variable. The error does not quote it, because it may be the secret itself.
fn check_variable(setting: &str, name: &str) -> Result<(), Problem> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let begins = |first: char| first.is_ascii_alphabetic() || first == '_';
    if name.starts_with(begins) && name.chars().all(is_word) {
        return Ok(());
    }
    let text = "is not the name of a variable, expected letters, digits and _, such as ACME_TOKEN";
    Err(problem(setting, text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn secret_is_read_from_a_file_without_its_line_break() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("password");
        let secret = SecretSource::require("password", None, Some(path.clone())).unwrap();
        let shown = path.display();
        let missing = secret.read().unwrap_err();
        assert_eq!(
            missing,
            format!(
                "source.auth.password_file is {shown}, which cannot be read: No such file or directory (os error 2)"
            )
        );
        fs::write(&path, "\n").unwrap();
        let empty = secret.read().unwrap_err();
        assert_eq!(
            empty,
            format!("source.auth.password_file is {shown}, which is empty")
        );
        fs::write(&path, " pass word\r\n").unwrap();
        assert_eq!(secret.read().unwrap().expose_secret(), " pass word");
    }

    #[test]
    fn variable_that_is_not_set_is_named() {
        let variable = Some("AGGREGATOR_TEST_NEVER_SET".to_owned());
        let secret = SecretSource::require("password", variable, None).unwrap();
        assert_eq!(
            secret.read().unwrap_err(),
            "source.auth.password_env names the variable AGGREGATOR_TEST_NEVER_SET, which has no value in the environment or in .env"
        );
    }
}
