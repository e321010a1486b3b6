//! X12 846, Inventory Inquiry/Advice.
//!
//! Sources: the segment tables of 846 (release 4040) and data element 353 (release 4010) at ws2.segment.co.il; the 846 guides
//! of Stedi (Dsco, Real Truck: QTY01 17 and 33) and of Interstate Steel (release 4010); for the envelope the tables of pyx12 and
//! the guide of BISAC (ISA, ISA15).

use domain::timestamp::Timestamp;

use super::line::{Codes, Line, number};
use super::segment::Segment;
use super::tokenizer::Tokenizer;
use super::{Envelope, FormatError, Step, check_control, check_count, malformed, quoted};
use crate::decode::Document;
use crate::format::Format;
use crate::options::FieldOptions;
use crate::record::RecordSink;

/// Purposes (BIA01, data element 353) of a transaction set that does not state stock.
const NO_STATEMENTS: [(&str, &str); 5] = [
    ("01", "a cancellation"),
    ("03", "a deletion"),
    ("13", "a request"),
    ("17", "a cancellation"),
    ("28", "a query"),
];

/// Reads X12 846.
#[derive(Debug)]
pub(crate) struct X12 {
    codes: Codes,
}

impl X12 {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(fields: &FieldOptions) -> Result<Self, String> {
        let codes = Codes::new(fields)?;
        Ok(Self { codes })
    }
}

impl Format for X12 {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let mut segments = Tokenizer::x12(document.into_text(|_| None)?)?;
        let mut run = Run::new(&self.codes);
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
    interchange: Option<Envelope>,
    group: Option<Envelope>,
    set: Option<Envelope>,
    line: Option<Line<'c>>,
    sets: u64,
    has_ended: bool,
}

impl<'c> Run<'c> {
    fn new(codes: &'c Codes) -> Self {
        Self {
            codes,
            interchange: None,
            group: None,
            set: None,
            line: None,
            sets: 0,
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
        if let Some(set) = &mut self.set {
            set.count += 1;
            return self.take_in_set(segment, records);
        }
        match (name, &mut self.interchange, &mut self.group) {
            ("ISA", interchange @ None, _) => {
                // ISA15, usage indicator: P (production), I (information) or T (test).
                if segment.element(15) == "T" {
                    return Err(malformed(number, "ISA15 is T: the interchange is a test"));
                }
                *interchange = Some(Envelope::new(segment.element(13), 0));
            }
            // An acknowledgement of an earlier interchange.
            ("TA1", Some(_), None) => {}
            ("GS", Some(interchange), group @ None) => {
                check_is(segment, "GS01", "IB", "an 846")?;
                interchange.count += 1;
                *group = Some(Envelope::new(segment.element(6), 0));
            }
            ("ST", Some(_), Some(group)) => {
                check_is(segment, "ST01", "846", "an 846")?;
                group.count += 1;
                self.sets += 1;
                self.set = Some(Envelope::new(segment.element(2), 1));
            }
            ("GE", Some(_), Some(group)) => {
                check_count(
                    number,
                    "GE01 (transaction sets)",
                    segment.element(1),
                    group.count,
                )?;
                check_control(number, "GE02", segment.element(2), "GS06", &group.control)?;
                self.group = None;
            }
            ("IEA", Some(interchange), None) => {
                check_count(
                    number,
                    "IEA01 (groups)",
                    segment.element(1),
                    interchange.count,
                )?;
                let control = &interchange.control;
                check_control(number, "IEA02", segment.element(2), "ISA13", control)?;
                self.has_ended = true;
            }
            _ => {
                return Err(malformed(
                    number,
                    format_args!("{name} outside of a transaction set"),
                ));
            }
        }
        Ok(Step::Next)
    }

    fn take_in_set(
        &mut self,
        segment: &Segment,
        records: &mut dyn RecordSink,
    ) -> Result<Step, FormatError> {
        let number_of_segment = segment.number;
        match segment.name() {
            "BIA" => check_purpose(segment)?,
            // A hierarchical level begins: what follows belongs to no earlier line.
            "HL" => return Ok(self.end_line(records)),
            "LIN" => {
                let step = self.end_line(records);
                let mut line = Line::new(self.codes, number_of_segment);
                // LIN02/03, LIN04/05 … LIN30/31: pairs of a qualifier (235) and an id (234).
                for element in (2..segment.elements()).step_by(2) {
                    line.add_id(segment.element(element), segment.element(element + 1));
                }
                self.line = Some(line);
                return Ok(step);
            }
            // QTY01: quantity qualifier (673), QTY02: quantity (380, type R: a point is the decimal mark).
            "QTY" => match &mut self.line {
                Some(line) => line.add_quantity(number_of_segment, segment.element(1), || {
                    number(segment.element(2), b".")
                })?,
                None => return Err(malformed(number_of_segment, "QTY without a LIN before it")),
            },
            // A subline would be a part of the item, with quantities of its own.
            "SLN" if self.line.is_some() => {
                return Err(malformed(
                    number_of_segment,
                    "a subline (SLN) is not supported",
                ));
            }
            "SE" => {
                let step = self.end_line(records);
                if let Some(set) = self.set.take() {
                    let [count, control] = [segment.element(1), segment.element(2)];
                    check_count(number_of_segment, "SE01 (segments)", count, set.count)?;
                    check_control(number_of_segment, "SE02", control, "ST02", &set.control)?;
                }
                return Ok(step);
            }
            name @ ("ISA" | "GS" | "ST" | "GE" | "IEA") => {
                return Err(malformed(
                    number_of_segment,
                    format_args!("{name} inside of a transaction set"),
                ));
            }
            _ => {}
        }
        Ok(Step::Next)
    }

    fn end_line(&mut self, records: &mut dyn RecordSink) -> Step {
        let line = self.line.take();
        line.map_or(Step::Next, |line| Step::of(line.finish(records)))
    }

    fn finish(&self) -> Result<(), FormatError> {
        let problem = match (self.has_ended, self.sets) {
            (false, _) => "the document ends before the interchange does (IEA): it is truncated",
            (true, 0) => "the interchange has no transaction set",
            (true, _) => return Ok(()),
        };
        Err(FormatError::Malformed(problem.to_owned()))
    }
}

fn check_is(
    segment: &Segment,
    element: &str,
    expected: &str,
    message: &str,
) -> Result<(), FormatError> {
    let found = segment.element(1);
    if found == expected {
        return Ok(());
    }
    let found = quoted(found);
    Err(malformed(
        segment.number,
        format_args!("{element} is {found}, expected {expected:?} ({message})"),
    ))
}

fn check_purpose(segment: &Segment) -> Result<(), FormatError> {
    let purpose = segment.element(1);
    let found = NO_STATEMENTS.iter().find(|(code, _)| *code == purpose);
    match found {
        None => Ok(()),
        Some((code, what)) => Err(malformed(
            segment.number,
            format_args!("BIA01 is {code}: the message is {what}, not a report of stock"),
        )),
    }
}
