//! EDI interchanges, read as a stream of segments: X12 846 (Inventory Inquiry/Advice) and EDIFACT INVRPT (Inventory report).
//!
//! A record is a line item (`LIN`) with the wanted codes: the product id by its qualifier, each quantity by its code. A line with
//! several quantities of a code, as of several locations, is several records. Counts and control numbers of the envelope must be
//! right, so that a report that lost segments changes nothing; what is not the expected message is refused and named.

mod edifact;
mod inventory;
mod line;
mod repertoire;
mod segment;
#[cfg(test)]
mod tests;
pub(crate) mod tokenizer;
mod x12;

pub(crate) use self::edifact::Edifact;
pub(crate) use self::x12::X12;

use std::ops::ControlFlow;

use super::FormatError;
use crate::excerpt::excerpt;

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Next,
    Stop,
}

impl Step {
    fn of(flow: ControlFlow<()>) -> Self {
        if flow.is_break() {
            Self::Stop
        } else {
            Self::Next
        }
    }
}

/// An open interchange, group, transaction set or message.
#[derive(Debug)]
struct Envelope {
    control: String,
    /// Number of what is in it.
    count: u64,
}

impl Envelope {
    fn new(control: &str, count: u64) -> Self {
        Self {
            control: control.to_owned(),
            count,
        }
    }
}

/// A text of the document in quotation marks, as an excerpt on one line.
fn quoted(text: &str) -> String {
    excerpt(&format!("{text:?}"))
}

/// An error at a segment.
fn malformed(segment: u64, problem: impl std::fmt::Display) -> FormatError {
    FormatError::Malformed(format!("segment {segment}: {problem}"))
}

/// Checks a count of the envelope against what was read. `what` names both, as in `SE01 (segments)`.
fn check_count(segment: u64, what: &str, stated: &str, counted: u64) -> Result<(), FormatError> {
    if stated.parse() == Ok(counted) {
        return Ok(());
    }
    let stated = excerpt(stated);
    Err(malformed(
        segment,
        format_args!("{what} is {stated}, but there are {counted}"),
    ))
}

/// Checks that a trailer repeats the control number of its header. Numbers are equal whatever their leading zeros.
fn check_control(
    segment: u64,
    trailer: &str,
    found: &str,
    header: &str,
    expected: &str,
) -> Result<(), FormatError> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let significant = |text: &str| text.trim_start_matches('0').to_owned();
    let are_equal_numbers =
        digits(found) && digits(expected) && significant(found) == significant(expected);
    if found == expected || (are_equal_numbers && !found.is_empty()) {
        return Ok(());
    }
    let (found, expected) = (quoted(found), quoted(expected));
    Err(malformed(
        segment,
        format_args!("{trailer} is {found}, but {header} is {expected}"),
    ))
}
