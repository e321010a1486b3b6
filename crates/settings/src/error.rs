//! The one line that ends a program whose settings are wrong.

use std::path::PathBuf;

use thiserror::Error;

/// Why the settings cannot be used. Its text is one line and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// A setting has a wrong value, or there is no such setting.
    #[error("setting {name}{}: {problem}", origin.as_ref().map(|origin| format!(" (from {origin})")).unwrap_or_default())]
    Setting {
        /// Which, as it is written in a file: `section.name`.
        name: String,
        /// Where its value came from, if that is known.
        origin: Option<String>,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A file of settings cannot be read at all.
    #[error("settings file {path:?}: {problem}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Control characters and line breaks, escaped, so that a message stays one line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|char| {
            let escaped = char.is_control().then(|| char.escape_default());
            let plain = escaped.is_none().then_some(char);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}
