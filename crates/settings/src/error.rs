//! The error that a program exits with when its settings are invalid.

use std::path::PathBuf;

use thiserror::Error;

/// Why the settings are invalid. The message is one line and contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// A setting is invalid, unknown or renamed.
    #[error("setting {name}{}: {problem}", origin.as_ref().map(|origin| format!(" (from {origin})")).unwrap_or_default())]
    Setting {
        /// Path of the setting, as in `section.name` or `list[0].name`.
        name: String,
        /// Source of the value, such as a file or a variable, if known.
        origin: Option<String>,
        /// The value found and the value expected.
        problem: String,
    },
    /// A settings file cannot be read or parsed.
    #[error("settings file {path:?}: {problem}")]
    File {
        /// Path of the file.
        path: PathBuf,
        /// Why the file cannot be read or parsed.
        problem: String,
    },
}
