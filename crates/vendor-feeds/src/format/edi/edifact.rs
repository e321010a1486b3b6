//! EDIFACT INVRPT, Inventory report.
//!
//! Sources: UN/EDIFACT directories D.96A and D.01B (message INVRPT; segment PIA; data elements 0001, 0035, 1225 and 6063);
//! EANCOM 1997 and 2002, Part II, INVRPT (LIN, QTY, INV; PIA 4347); GS1 Germany's EANCOM profile of INVRPT (INV 4501 and 4503);
//! ISO 9735 for the envelope.

use domain::timestamp::Timestamp;

use super::inventory::InventoryLine;
use super::line::{Codes, Line};
use super::repertoire::declared_charset;
use super::segment::Segment;
use super::tokenizer::{Syntax, Tokenizer};
use super::{Envelope, FormatError, Step, check_control, check_count, malformed, quoted};
use crate::decode::Document;
use crate::format::Format;
use crate::options::FieldOptions;
use crate::record::RecordSink;

/// Reads EDIFACT INVRPT.
#[derive(Debug)]
pub(crate) struct Edifact {
    codes: Codes,
}

impl Edifact {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(fields: &FieldOptions) -> Result<Self, String> {
        let codes = Codes::new(fields)?;
        Ok(Self { codes })
    }
}

impl Format for Edifact {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let mut segments = Tokenizer::edifact(document.into_text(declared_charset)?)?;
        let mut run = Run::new(&self.codes, segments.syntax());
        while let Some(segment) = segments.next_segment()? {
            if run.take(segment, records)? == Step::Stop {
                return Ok(None);
            }
        }
        run.finish()?;
        Ok(None)
    }
}

/// One interchange while it is read.
struct Run<'c> {
    codes: &'c Codes,
    syntax: Syntax,
    marks: &'static [u8],
    interchange: Option<Envelope>,
    has_groups: bool,
    group: Option<Envelope>,
    message: Option<Envelope>,
    line: Option<InventoryLine<'c>>,
    messages: u64,
    has_ended: bool,
}

impl<'c> Run<'c> {
    fn new(codes: &'c Codes, syntax: Syntax) -> Self {
        Self {
            codes,
            syntax,
            marks: b".,",
            interchange: None,
            has_groups: false,
            group: None,
            message: None,
            line: None,
            messages: 0,
            has_ended: false,
        }
    }

    fn take(
        &mut self,
        segment: &Segment,
        records: &mut dyn RecordSink,
    ) -> Result<Step, FormatError> {
        let number = segment.number;
        let name = segment.name();
        if self.has_ended {
            return Err(malformed(
                number,
                format_args!("{name} behind the end of the interchange"),
            ));
        }
        if let Some(message) = &mut self.message {
            message.count += 1;
            return self.take_in_message(segment, records);
        }
        match (name, &mut self.interchange, &mut self.group) {
            ("UNB", None, _) => self.begin(segment)?,
            ("UNG", Some(interchange), group @ None) => {
                if !self.has_groups && interchange.count > 0 {
                    return Err(malformed(number, "UNG behind a message without a group"));
                }
                self.has_groups = true;
                interchange.count += 1;
                *group = Some(Envelope::new(segment.element(5), 0));
            }
            ("UNH", Some(interchange), group) => {
                check_message(segment)?;
                match group {
                    Some(group) => group.count += 1,
                    None if self.has_groups => {
                        return Err(malformed(number, "UNH outside of a group"));
                    }
                    None => interchange.count += 1,
                }
                self.messages += 1;
                self.message = Some(Envelope::new(segment.element(1), 1));
            }
            ("UNE", Some(_), Some(group)) => {
                check_count(
                    number,
                    "UNE 0060 (messages)",
                    segment.element(1),
                    group.count,
                )?;
                check_control(
                    number,
                    "UNE 0048",
                    segment.element(2),
                    "UNG 0048",
                    &group.control,
                )?;
                self.group = None;
            }
            ("UNZ", Some(interchange), None) => {
                let what = if self.has_groups {
                    "UNZ 0036 (groups)"
                } else {
                    "UNZ 0036 (messages)"
                };
                check_count(number, what, segment.element(1), interchange.count)?;
                let control = &interchange.control;
                check_control(number, "UNZ 0020", segment.element(2), "UNB 0020", control)?;
                self.has_ended = true;
            }
            _ => {
                return Err(malformed(
                    number,
                    format_args!("{name} outside of a message"),
                ));
            }
        }
        Ok(Step::Next)
    }

    fn begin(&mut self, segment: &Segment) -> Result<(), FormatError> {
        // UNB 0035, test indicator: set if the interchange is a test, otherwise not used.
        if !matches!(segment.element(11), "" | "0") {
            let indicator = quoted(segment.element(11));
            return Err(malformed(
                segment.number,
                format_args!("UNB 0035 is {indicator}: the interchange is a test"),
            ));
        }
        // Versions 1 to 3 use the decimal mark of UNA, and a comma without UNA, which is often not kept. In version 4 the mark of
        // UNA has no meaning, and both are allowed. Digits are never grouped (ISO 9735, 10.2), so that both are always clear.
        self.marks = match self.syntax.decimal {
            Some(b',') if segment.component(1, 1) != "4" => b",",
            Some(b'.') if segment.component(1, 1) != "4" => b".",
            _ => b".,",
        };
        self.interchange = Some(Envelope::new(segment.element(5), 0));
        Ok(())
    }

    fn take_in_message(
        &mut self,
        segment: &Segment,
        records: &mut dyn RecordSink,
    ) -> Result<Step, FormatError> {
        let number_of_segment = segment.number;
        match segment.name() {
            "BGM" => check_function(segment)?,
            "LIN" => {
                let step = self.end_line(records)?;
                // C829 5495 = 1: the line is a part of the line before (EANCOM Part I, sub-lines).
                if segment.component(4, 0) == "1" {
                    return Err(malformed(number_of_segment, "a sub-line is not supported"));
                }
                let mut line = Line::new(self.codes, number_of_segment);
                // C212: 7140 item number, 7143 its type.
                line.add_id(segment.component(3, 1), segment.component(3, 0));
                self.line = Some(InventoryLine::new(line));
                return Ok(step);
            }
            // 4347: 1 additional and 5 product identification are ids of the item; 3 and 4 are of a substitute.
            "PIA" if matches!(segment.element(1), "1" | "5") => {
                if let Some(open) = &mut self.line {
                    for element in 2..=segment.elements() {
                        let [id, qualifier] = [0, 1].map(|index| segment.component(element, index));
                        open.line.add_id(qualifier, id);
                    }
                }
            }
            "INV" => {
                if let Some(open) = &mut self.line {
                    open.inventory(segment);
                }
            }
            "QTY" => match &mut self.line {
                Some(open) => open.quantity(segment, self.marks)?,
                None => return Err(malformed(number_of_segment, "QTY without a LIN before it")),
            },
            "UNT" => {
                let step = self.end_line(records)?;
                if let Some(message) = self.message.take() {
                    let [count, control] = [segment.element(1), segment.element(2)];
                    check_count(
                        number_of_segment,
                        "UNT 0074 (segments)",
                        count,
                        message.count,
                    )?;
                    check_control(
                        number_of_segment,
                        "UNT 0062",
                        control,
                        "UNH 0062",
                        &message.control,
                    )?;
                }
                return Ok(step);
            }
            name @ ("UNB" | "UNG" | "UNH" | "UNE" | "UNZ") => {
                return Err(malformed(
                    number_of_segment,
                    format_args!("{name} inside of a message"),
                ));
            }
            _ => {}
        }
        Ok(Step::Next)
    }

    fn end_line(&mut self, records: &mut dyn RecordSink) -> Result<Step, FormatError> {
        let Some(open) = self.line.take() else {
            return Ok(Step::Next);
        };
        let line = open.finish(self.marks)?;
        Ok(Step::of(line.finish(records)))
    }

    fn finish(&self) -> Result<(), FormatError> {
        let problem = match (self.has_ended, self.messages) {
            (false, _) => "the document ends before the interchange does (UNZ): it is truncated",
            (true, 0) => "the interchange has no message",
            (true, _) => return Ok(()),
        };
        Err(FormatError::Malformed(problem.to_owned()))
    }
}

fn check_message(segment: &Segment) -> Result<(), FormatError> {
    let found = segment.component(2, 0);
    if found == "INVRPT" {
        return Ok(());
    }
    let found = quoted(found);
    Err(malformed(
        segment.number,
        format_args!("the message is {found}, expected \"INVRPT\""),
    ))
}

/// BGM 1225: what is no statement of stock is refused.
fn check_function(segment: &Segment) -> Result<(), FormatError> {
    let what = match segment.element(3) {
        "1" | "17" => "a cancellation",
        "3" => "a deletion",
        "13" => "a request",
        "53" => "a test",
        _ => return Ok(()),
    };
    let code = segment.element(3);
    Err(malformed(
        segment.number,
        format_args!("BGM 1225 is {code}: the message is {what}, not a report of stock"),
    ))
}
