//! Reads an interchange of either syntax: checks its envelope, and passes the lines of its messages on.

use std::ops::ControlFlow;

use domain::timestamp::Timestamp;

use super::as_of::DocumentAsOf;
use super::envelope::Open;
use super::line::{Codes, Line};
use super::segment::Segment;
use super::{Dialect, FormatError, malformed};
use crate::record::RecordSink;

/// One interchange while it is read.
pub(super) struct Run<'f, D> {
    dialect: D,
    as_of_code: Option<&'f DocumentAsOf>,
    interchange: Option<Open>,
    has_groups: bool,
    group: Option<Open>,
    message: Option<Open>,
    messages: u64,
    has_ended: bool,
    /// Whether the segments are still of the header of the message.
    is_header: bool,
    /// The earliest as-of of the messages that have ended.
    as_of: Option<Timestamp>,
    /// That of the open message.
    as_of_of_message: Option<Timestamp>,
    line: Line<'f>,
}

impl<'f, D: Dialect> Run<'f, D> {
    pub(super) fn new(dialect: D, codes: &'f Codes, as_of_code: Option<&'f DocumentAsOf>) -> Self {
        Self {
            dialect,
            as_of_code,
            interchange: None,
            has_groups: D::ENVELOPE.needs_groups,
            group: None,
            message: None,
            messages: 0,
            has_ended: false,
            is_header: false,
            as_of: None,
            as_of_of_message: None,
            line: Line::new(codes),
        }
    }

    pub(super) fn take(
        &mut self,
        segment: &Segment,
        records: &mut dyn RecordSink,
    ) -> Result<ControlFlow<()>, FormatError> {
        if let Some(message) = &mut self.message {
            message.count += 1;
            return self.take_in_message(segment, records);
        }
        self.take_in_envelope(segment)?;
        Ok(ControlFlow::Continue(()))
    }

    fn take_in_envelope(&mut self, segment: &Segment) -> Result<(), FormatError> {
        let name = segment.name();
        let problem = |problem| Err(malformed(segment.number, problem));
        if self.has_ended {
            return problem(format!("{name} behind the end of the interchange"));
        }
        let envelope = &D::ENVELOPE;
        match (&mut self.interchange, &mut self.group) {
            (interchange @ None, _) if name == envelope.interchange.header => {
                self.dialect.interchange(segment)?;
                *interchange = Some(envelope.interchange.open(segment, 0));
            }
            (Some(_), None) if envelope.acknowledgement == Some(name) => {}
            (Some(interchange), group @ None) if name == envelope.group.header => {
                self.dialect.group(segment)?;
                if !self.has_groups && interchange.count > 0 {
                    return problem(format!("{name} behind a message without a group"));
                }
                self.has_groups = true;
                interchange.count += 1;
                *group = Some(envelope.group.open(segment, 0));
            }
            (Some(interchange), group) if name == envelope.message.header => {
                self.dialect.message(segment)?;
                match group {
                    Some(group) => group.count += 1,
                    None if self.has_groups => {
                        return problem(format!("{name} outside of a group"));
                    }
                    None => interchange.count += 1,
                }
                self.messages += 1;
                self.message = Some(envelope.message.open(segment, 1));
                self.is_header = true;
            }
            (Some(_), Some(group)) if name == envelope.group.trailer => {
                envelope
                    .group
                    .close(group, envelope.message.name, segment)?;
                self.group = None;
            }
            (Some(interchange), None) if name == envelope.interchange.trailer => {
                let counted = if self.has_groups {
                    envelope.group.name
                } else {
                    envelope.message.name
                };
                envelope.interchange.close(interchange, counted, segment)?;
                self.has_ended = true;
            }
            _ => return problem(format!("{name} outside of a {}", envelope.message.name)),
        }
        Ok(())
    }

    fn take_in_message(
        &mut self,
        segment: &Segment,
        records: &mut dyn RecordSink,
    ) -> Result<ControlFlow<()>, FormatError> {
        let envelope = &D::ENVELOPE;
        let name = segment.name();
        let mut flow = ControlFlow::Continue(());
        if self.is_header {
            self.take_in_header(segment)?;
        }
        match name {
            "LIN" => {
                flow = self.line.end(records);
                self.line.begin(segment.number);
                self.dialect.line(segment, &mut self.line)?;
            }
            "QTY" if self.line.is_open() => self.dialect.quantity(segment, &mut self.line)?,
            "QTY" => return Err(malformed(segment.number, "QTY without a LIN before it")),
            name if name == envelope.message.trailer => {
                flow = self.line.end(records);
                self.end_message(segment)?;
            }
            name if envelope.contains(name) => {
                let problem = format!("{name} inside of a {}", envelope.message.name);
                return Err(malformed(segment.number, problem));
            }
            name => {
                if D::END_OF_LINE == Some(name) {
                    flow = self.line.end(records);
                }
                let line = Some(&mut self.line).filter(|line| line.is_open());
                self.dialect.other(segment, line)?;
            }
        }
        Ok(flow)
    }

    fn take_in_header(&mut self, segment: &Segment) -> Result<(), FormatError> {
        self.is_header = D::HEADER.contains(&segment.name());
        let Some(as_of) = self.as_of_code.filter(|_| self.is_header) else {
            return Ok(());
        };
        if let Some(written) = self.dialect.instant(segment, &as_of.code)? {
            let instant = as_of
                .read(&written)
                .map_err(|problem| malformed(segment.number, problem))?;
            if self.as_of_of_message.replace(instant).is_some() {
                let problem = format!("{} is there twice (format.as_of)", as_of.code);
                return Err(malformed(segment.number, problem));
            }
        }
        Ok(())
    }

    fn end_message(&mut self, trailer: &Segment) -> Result<(), FormatError> {
        if let Some(message) = self.message.take() {
            D::ENVELOPE.message.close(&message, "segment", trailer)?;
        }
        let Some(as_of) = self.as_of_code else {
            return Ok(());
        };
        let instant = self.as_of_of_message.take().ok_or_else(|| {
            let (name, code) = (D::ENVELOPE.message.name, &as_of.code);
            let problem = format!("the {name} has no {code} in its header (format.as_of)");
            malformed(trailer.number, problem)
        })?;
        // The report is as old as its oldest message.
        self.as_of = Some(self.as_of.map_or(instant, |other| other.min(instant)));
        Ok(())
    }

    /// The document has ended.
    pub(super) fn finish(self) -> Result<Option<Timestamp>, FormatError> {
        let envelope = &D::ENVELOPE;
        let problem = match (self.has_ended, self.messages) {
            (false, _) => format!(
                "the document ends before the interchange does ({}): it is truncated",
                envelope.interchange.trailer
            ),
            (true, 0) => format!("the interchange has no {}", envelope.message.name),
            (true, _) => return Ok(self.as_of),
        };
        Err(FormatError::Malformed(problem))
    }
}
