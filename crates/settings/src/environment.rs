//! Environment variables and `.env`, each as one layer of settings.
//!
//! `.env` is parsed here, because libraries expand `$` and escapes in its values: a password would have to be quoted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use config::{ConfigError, Map, Source, Value};

use crate::SettingsError;

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, String>;

const PREFIX: &str = "AGGREGATOR__";
const SEPARATOR: &str = "__";

/// Variables with a short name, and the settings they set.
const NAMED: [(&str, &str); 8] = [
    ("PORT", "api.port"),
    ("WORKER_PORT", "worker.port"),
    ("DB_USER", "database.user"),
    ("DB_PASSWORD", "database.password"),
    ("DB_HOST", "database.host"),
    ("DB_PORT", "database.port"),
    ("DB_NAME", "database.name"),
    ("RABBITMQ_URL", "rabbitmq.url"),
];

fn is_setting(name: &str) -> bool {
    name.starts_with(PREFIX) || NAMED.iter().any(|(variable, _)| *variable == name)
}

/// Returns the variables of the process that are settings. Other variables are ignored and need not be UTF-8.
pub(crate) fn read_process(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Variables, SettingsError> {
    let mut settings = Variables::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| is_setting(name)) else {
            continue;
        };
        let Ok(value) = value.into_string() else {
            return Err(SettingsError::Setting {
                name: log_text::one_line(name),
                origin: Some("the environment".to_owned()),
                problem: "is not UTF-8, expected a string".to_owned(),
            });
        };
        settings.insert(name.to_owned(), value);
    }
    Ok(settings)
}

/// Returns a variable of the process, or else of a `.env` file. An empty variable counts as not set.
pub(crate) fn variable(name: &str, dotenv: &Path) -> Result<Option<String>, SettingsError> {
    let set = |value: &String| !value.is_empty();
    if let Some(value) = std::env::var_os(name) {
        let value = value.into_string().map_err(|_| SettingsError::Setting {
            name: log_text::one_line(name),
            origin: Some("the environment".to_owned()),
            problem: "is not UTF-8, expected a string".to_owned(),
        })?;
        if set(&value) {
            return Ok(Some(value));
        }
    }
    let found = read_dotenv_where(dotenv, |found| found == name)?;
    Ok(found.into_values().next().filter(set))
}

/// Returns the settings in a `.env` file; empty if the file does not exist. A line is `NAME=value`, blank, or a comment that
/// starts with `#`; `export` before the name is ignored.
///
/// A value is taken verbatim: `$`, `#`, `\` and quotes inside it have no special meaning. White space at its ends is
/// removed, then one pair of single or double quotes around the whole value, which preserves the white space inside.
pub(crate) fn read_dotenv(path: &Path) -> Result<Variables, SettingsError> {
    read_dotenv_where(path, is_setting)
}

fn read_dotenv_where(
    path: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Variables, SettingsError> {
    let error = |problem: String| SettingsError::File {
        path: path.to_owned(),
        problem,
    };
    let text = match std::fs::read_to_string(path) {
        Err(failure) if failure.kind() == ErrorKind::NotFound => return Ok(Variables::new()),
        Err(failure) => return Err(error(format!("cannot be read: {failure}"))),
        Ok(text) => text,
    };
    let mut settings = Variables::new();
    let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    for (index, line) in lines.map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The message does not quote the line, which may contain a password.
        let (name, value) = assignment(line)
            .ok_or_else(|| error(format!("line {} is not NAME=value", index + 1)))?;
        if is_wanted(name) {
            settings.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(settings)
}

fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = match name.split_once(char::is_whitespace) {
        Some(("export", name)) => name,
        _ => name,
    };
    let (name, value) = (name.trim(), value.trim());
    let is_name_char = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-');
    let is_name = !name.is_empty() && name.chars().all(is_name_char);
    is_name.then(|| (name, without_quotes(value)))
}

fn without_quotes(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// A layer of settings read from variables.
#[derive(Debug, Clone)]
pub(crate) struct VariableLayer {
    settings: Map<String, Value>,
}

impl VariableLayer {
    /// Converts variables to settings. `origin` names their source in messages, as in `PORT in the environment`.
    pub(crate) fn read(variables: &Variables, origin: &str) -> Result<Self, SettingsError> {
        let general = variables
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), name.strip_prefix(PREFIX)?, value)))
            .map(|(name, rest, value)| (name, setting_path(rest), value));
        let named = NAMED.iter().filter_map(|&(name, path)| {
            variables
                .get(name)
                .map(|value| (name, Some(path.to_owned()), value))
        });
        let mut settings = Map::new();
        for (name, path, value) in general.chain(named) {
            if value.is_empty() {
                continue;
            }
            let origin = format!("{name} in {origin}");
            let Some(path) = path else {
                return Err(SettingsError::Setting {
                    name: log_text::one_line(name),
                    origin: Some(log_text::one_line(&origin)),
                    problem: "is not the name of a setting, expected AGGREGATOR__SECTION__NAME of letters, digits \
                              and single underscores"
                        .to_owned(),
                });
            };
            settings.insert(path, Value::new(Some(&origin), value.as_str()));
        }
        Ok(Self { settings })
    }
}

/// Converts `SECTION__NAME` to `section.name`; `None` if it cannot be the name of a setting.
fn setting_path(rest: &str) -> Option<String> {
    let segments: Vec<String> = rest.split(SEPARATOR).map(str::to_ascii_lowercase).collect();
    let is_identifier = |segment: &String| {
        segment.starts_with(|first: char| first.is_ascii_lowercase())
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    segments
        .iter()
        .all(is_identifier)
        .then(|| segments.join("."))
}

impl Source for VariableLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.settings.clone())
    }
}
