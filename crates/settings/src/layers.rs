//! Merges the layers of settings, and finds the source of an invalid one.

use std::path::Path;

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::environment::{VariableLayer, Variables};
use crate::{DEFAULTS, SettingsError, renamed};

/// All layers, merged; each value keeps its origin.
#[derive(Debug)]
pub(crate) struct Layers {
    merged: Config,
    values: Map<String, Value>,
}

impl Layers {
    pub(crate) fn read(
        file: Option<&Path>,
        dotenv: &Variables,
        process: &Variables,
    ) -> Result<Self, SettingsError> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(path) = file {
            // The library would also try the name with other extensions.
            std::fs::File::open(path).map_err(|error| SettingsError::File {
                path: path.to_owned(),
                problem: format!("cannot be read: {error}"),
            })?;
            builder = builder.add_source(File::from(path).format(FileFormat::Toml));
        }
        let read_failure = |error: ConfigError| SettingsError::File {
            path: file.unwrap_or(Path::new("config/default.toml")).to_owned(),
            problem: syntax_problem(&error),
        };
        let merged = builder
            .add_source(VariableLayer::read(dotenv, ".env")?)
            .add_source(VariableLayer::read(process, "the environment")?)
            .build()
            .map_err(read_failure)?;
        let values = merged.collect().map_err(read_failure)?;
        Ok(Self { merged, values })
    }

    pub(crate) fn deserialize<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        serde_path_to_error::deserialize(self.merged.clone()).map_err(|error| {
            let name = error.path().to_string();
            let segments: Vec<Segment> = error.path().iter().cloned().collect();
            let problem = match renamed::new_path(&name) {
                Some(new) => format!("was renamed, use {new}"),
                None => value_problem(error.inner()),
            };
            SettingsError::Setting {
                origin: self.origin(&segments),
                problem: log_text::one_line(&problem),
                name: log_text::one_line(&name),
            }
        })
    }

    /// An error about a setting that is valid but conflicts with another. `name` is the path of the setting, `section.name`
    /// or `list[0].name`.
    pub(crate) fn error_at(&self, name: &str, problem: String) -> SettingsError {
        let mut segments = Vec::new();
        for part in name.split(['.', '[']) {
            segments.push(match part.strip_suffix(']').map(str::parse) {
                Some(Ok(index)) => Segment::Seq { index },
                _ => Segment::Map {
                    key: part.to_owned(),
                },
            });
        }
        SettingsError::Setting {
            name: name.to_owned(),
            origin: self.origin(&segments),
            problem,
        }
    }

    /// The origin of the value at a path: that of the innermost value on the path that has an origin.
    fn origin(&self, path: &[Segment]) -> Option<String> {
        let mut origin = None;
        let mut segments = path.iter();
        let Some(Segment::Map { key }) = segments.next() else {
            return None;
        };
        let mut value = self.values.get(key)?;
        loop {
            origin = value.origin().or(origin);
            let inner = match (segments.next(), &value.kind) {
                (Some(Segment::Map { key }), ValueKind::Table(table)) => table.get(key),
                (Some(Segment::Seq { index }), ValueKind::Array(items)) => items.get(*index),
                _ => None,
            };
            match inner {
                Some(inner) => value = inner,
                None => {
                    return origin
                        .or_else(|| inner_origin(value))
                        .map(log_text::one_line);
                }
            }
        }
    }
}

/// A table that a variable such as `AGGREGATOR__API__PORT__X` creates has no origin; the values in it have one.
fn inner_origin(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) => table
            .values()
            .find_map(|inner| inner.origin().or_else(|| inner_origin(inner))),
        _ => None,
    }
}

/// Describes an invalid value without quoting it: a value of the wrong type may be a misplaced secret.
fn value_problem(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => value_problem(error),
        ConfigError::NotFound(name) => {
            let name = name.rsplit(['.', ']']).next().unwrap_or(name);
            format!("{name} is missing")
        }
        ConfigError::Type { expected, .. } => wrong_type(expected),
        ConfigError::Message(text) => match text.rsplit_once(", expected ") {
            Some((found, expected)) if found.starts_with("invalid type: ") => wrong_type(expected),
            _ => text.clone(),
        },
        other => other.to_string(),
    }
}

fn wrong_type(expected: &str) -> String {
    format!("has the wrong type, expected {expected}")
}

/// The position and the reason of a syntax error. The other lines quote the file, which may contain a password.
fn syntax_problem(error: &ConfigError) -> String {
    let ConfigError::FileParse { cause, .. } = error else {
        return log_text::one_line(&value_problem(error));
    };
    let text = cause.to_string();
    let is_quote = |line: &&str| {
        let start = line.trim_start_matches(|char: char| char.is_ascii_digit() || char == ' ');
        start.starts_with('|') || start.is_empty()
    };
    let lines: Vec<&str> = text.lines().filter(|line| !is_quote(line)).collect();
    log_text::one_line(&lines.join(": "))
}
