//! The envelope of an interchange: headers and trailers around groups and messages, with counts and control numbers.

use super::segment::Segment;
use super::{FormatError, malformed, quoted};
use crate::excerpt::excerpt;

/// The segments of the envelope of a syntax.
pub(super) struct Envelope {
    pub(super) interchange: Level,
    pub(super) group: Level,
    pub(super) message: Level,
    /// Whether each message is in a group.
    pub(super) needs_groups: bool,
    /// A segment between the header of the interchange and the first group that has no meaning here.
    pub(super) acknowledgement: Option<&'static str>,
}

impl Envelope {
    pub(super) fn contains(&self, segment: &str) -> bool {
        [&self.interchange, &self.group, &self.message]
            .iter()
            .any(|level| [level.header, level.trailer].contains(&segment))
    }
}

/// One level of an envelope. Each trailer has the count in its first element, and repeats the control number of the header in
/// its second.
pub(super) struct Level {
    /// How messages name it.
    pub(super) name: &'static str,
    pub(super) header: &'static str,
    pub(super) trailer: &'static str,
    /// Element of the header with the control number.
    pub(super) control: usize,
    /// How messages name the element with the control number in the header, and those of the trailer.
    pub(super) control_in_header: &'static str,
    pub(super) count_in_trailer: &'static str,
    pub(super) control_in_trailer: &'static str,
}

impl Level {
    /// Opens the level. `count` is that of an empty one.
    pub(super) fn open(&self, header: &Segment, count: u64) -> Open {
        Open {
            control: header.element(self.control).to_owned(),
            count,
        }
    }

    /// Checks the trailer; `counted` is the singular of what is counted.
    pub(super) fn close(
        &self,
        open: &Open,
        counted: &str,
        trailer: &Segment,
    ) -> Result<(), FormatError> {
        let [stated, control] = [trailer.element(1), trailer.element(2)];
        if stated.parse() != Ok(open.count) {
            let problem = format!(
                "{} ({counted}s) is {}, but there are {}",
                self.count_in_trailer,
                excerpt(stated),
                open.count
            );
            return Err(malformed(trailer.number, problem));
        }
        if !are_equal(control, &open.control) {
            let problem = format!(
                "{} is {}, but {} is {}",
                self.control_in_trailer,
                quoted(control),
                self.control_in_header,
                quoted(&open.control)
            );
            return Err(malformed(trailer.number, problem));
        }
        Ok(())
    }
}

/// An open interchange, group or message.
#[derive(Debug)]
pub(super) struct Open {
    control: String,
    /// Number of what is in it.
    pub(super) count: u64,
}

/// Whether two control numbers are equal: numbers are, whatever their leading zeros.
fn are_equal(found: &str, expected: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let significant = |text: &str| text.trim_start_matches('0').to_owned();
    found == expected
        || (is_number(found) && is_number(expected) && significant(found) == significant(expected))
}
