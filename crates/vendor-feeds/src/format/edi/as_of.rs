//! The instant for which an interchange holds. Its segments state how it is written, but no time zone.

use domain::timestamp::Timestamp;

use crate::as_of::AsOf;
use crate::options::{AsOfFormat, AsOfOptions, EdiAsOf};
use crate::record::Value;

/// An instant as a segment has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) precision: Precision,
}

/// How far a date and time is stated. What is missing is the beginning: of the day, of the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Day,
    Minute,
    Second,
    /// With an offset such as +0100.
    MinuteWithOffset,
    /// As before.
    SecondWithOffset,
}

const PATTERNS: [(Precision, &str); 5] = [
    (Precision::Day, "%Y%m%d"),
    (Precision::Minute, "%Y%m%d%H%M"),
    (Precision::Second, "%Y%m%d%H%M%S"),
    (Precision::MinuteWithOffset, "%Y%m%d%H%M%z"),
    (Precision::SecondWithOffset, "%Y%m%d%H%M%S%z"),
];

/// Reads the instant of a code.
#[derive(Debug)]
pub(super) struct DocumentAsOf {
    pub(super) code: String,
    readers: Vec<(Precision, AsOf)>,
}

impl DocumentAsOf {
    /// The error is a one-line description of the invalid option.
    pub(super) fn new(options: &EdiAsOf) -> Result<Self, String> {
        let EdiAsOf { code, zone } = options;
        super::line::check_code("format.as_of", "137", code)?;
        let reader = |pattern: &str| {
            AsOf::new(&AsOfOptions {
                field: code.clone(),
                format: AsOfFormat::Pattern(pattern.to_owned()),
                zone: zone.clone(),
            })
        };
        let readers = PATTERNS
            .iter()
            .map(|&(precision, pattern)| Ok((precision, reader(pattern)?)));
        Ok(Self {
            code: code.clone(),
            readers: readers.collect::<Result<_, String>>()?,
        })
    }

    /// The error is one line.
    pub(super) fn read(&self, written: &Written) -> Result<Timestamp, String> {
        let found = self
            .readers
            .iter()
            .find(|(precision, _)| *precision == written.precision);
        match found {
            Some((_, reader)) => reader.read(&Value::Text(written.text.as_str().into())),
            None => Err(format!("{} cannot be read", self.code)),
        }
    }
}
