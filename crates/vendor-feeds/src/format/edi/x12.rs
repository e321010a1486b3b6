//! X12 846, Inventory Inquiry/Advice.
//!
//! Sources: the segment tables of 846 (release 4040) and data element 353 (release 4010) at ws2.segment.co.il; the 846 guides
//! of Stedi (Dsco, Real Truck: QTY01 17 and 33) and of Interstate Steel (release 4010); for the envelope the tables of pyx12 and
//! the guide of BISAC (ISA, ISA15).

use std::io::BufRead;

use super::as_of::{Precision, Written};
use super::envelope::{Envelope, Level};
use super::line::{Line, Quantity};
use super::segment::Segment;
use super::tokenizer::Tokenizer;
use super::{Dialect, FormatError, check_purpose, malformed, quoted};
use crate::decode::Document;

/// Purposes (BIA01, data element 353) of a transaction set that does not state stock.
const NO_STATEMENTS: [(&str, &str); 5] = [
    ("01", "a cancellation"),
    ("03", "a deletion"),
    ("13", "a request"),
    ("17", "a cancellation"),
    ("28", "a query"),
];

/// The name of the segment whose date and time `format.as_of` may name, in place of a qualifier of DTM.
const BIA: &str = "BIA";

/// The problem of an element that is not a composite: a part of it would be another id or another number.
const COMPOSITE: &str = "with the component separator";

/// The state of an interchange: none.
#[derive(Debug)]
pub(super) struct X12;

impl Dialect for X12 {
    const ENVELOPE: Envelope = Envelope {
        interchange: Level {
            name: "interchange",
            header: "ISA",
            trailer: "IEA",
            control: 13,
            control_in_header: "ISA13",
            count_in_trailer: "IEA01",
            control_in_trailer: "IEA02",
        },
        group: Level {
            name: "group",
            header: "GS",
            trailer: "GE",
            control: 6,
            control_in_header: "GS06",
            count_in_trailer: "GE01",
            control_in_trailer: "GE02",
        },
        message: Level {
            name: "transaction set",
            header: "ST",
            trailer: "SE",
            control: 2,
            control_in_header: "ST02",
            count_in_trailer: "SE01",
            control_in_trailer: "SE02",
        },
        needs_groups: true,
        acknowledgement: Some("TA1"),
    };
    const HEADER: &[&str] = &[BIA, "DTM", "REF", "PER"];
    // A hierarchical level begins: what follows belongs to no earlier line.
    const END_OF_LINE: Option<&str> = Some("HL");

    fn segments(document: Document) -> Result<Tokenizer<impl BufRead>, FormatError> {
        Tokenizer::x12(document.into_text(|_| None)?)
    }

    fn new(_decimal_mark: Option<u8>) -> Self {
        Self
    }

    fn interchange(&mut self, segment: &Segment) -> Result<(), FormatError> {
        // ISA15, usage indicator: P (production), I (information) or T (test).
        if segment.element(15) == "T" {
            let problem = "ISA15 is T: the interchange is a test";
            return Err(malformed(segment.number, problem));
        }
        Ok(())
    }

    fn group(&self, segment: &Segment) -> Result<(), FormatError> {
        check_is(segment, "GS01", "IB")
    }

    fn message(&self, segment: &Segment) -> Result<(), FormatError> {
        check_is(segment, "ST01", "846")
    }

    fn instant(&self, segment: &Segment, code: &str) -> Result<Option<Written>, FormatError> {
        // BIA04 and BIA05, DTM02 and DTM03: date (373) and time (337, HHMM with seconds and their decimals if they are known).
        let (date, time) = match (segment.name(), code) {
            (BIA, BIA) => (4, 5),
            ("DTM", code) if segment.element(1) == code => (2, 3),
            _ => return Ok(None),
        };
        let [date, time] = [date, time].map(|element| segment.whole(element));
        // Decimals are not read: the instant is then earlier.
        let time = match time.len() {
            7 | 8 => time.get(..6).unwrap_or(time),
            _ => time,
        };
        // DTM04, time code (623).
        let zone = match segment.name() {
            "DTM" => segment.element(4),
            _ => "",
        };
        let offset = match zone {
            "" => "",
            "UT" | "GM" => "+0000",
            other => {
                let problem = format!("DTM04 is {}, expected UT, GM or none", quoted(other));
                return Err(malformed(segment.number, problem));
            }
        };
        let precision = match (time.len(), offset) {
            (0, _) => Precision::Day,
            (6, "") => Precision::Second,
            (6, _) => Precision::SecondWithOffset,
            (_, "") => Precision::Minute,
            (_, _) => Precision::MinuteWithOffset,
        };
        let offset = if time.is_empty() { "" } else { offset };
        Ok(Some(Written {
            text: [date, time, offset].concat(),
            precision,
        }))
    }

    fn line(&mut self, segment: &Segment, line: &mut Line<'_>) -> Result<(), FormatError> {
        // LIN02/03, LIN04/05 … LIN30/31: pairs of a qualifier (235) and an id (234).
        for element in (2..segment.elements()).step_by(2) {
            let qualifier = segment.whole(element);
            line.add_id(qualifier, segment.whole(element + 1));
            if segment.components(element + 1) > 1 {
                line.refuse_id(qualifier, COMPOSITE);
            }
        }
        Ok(())
    }

    fn quantity(&mut self, segment: &Segment, line: &mut Line<'_>) -> Result<(), FormatError> {
        // QTY01: quantity qualifier (673), QTY02: quantity (380, type R: a point is the decimal mark), QTY03: unit (C001, 355).
        // The other components of C001 are an exponent and a multiplier: a unit that has them is not accepted.
        let [code, number, unit] = [1, 2, 3].map(|element| segment.whole(element));
        let quantity = Quantity { code, number, unit };
        line.add_quantity(segment.number, &quantity, b".")?;
        if segment.components(2) > 1 {
            line.refuse_last(COMPOSITE);
        }
        Ok(())
    }

    fn other(&mut self, segment: &Segment, line: Option<&mut Line<'_>>) -> Result<(), FormatError> {
        match segment.name() {
            BIA => check_purpose(segment, 1, "BIA01", &NO_STATEMENTS),
            // A subline would be a part of the item, with quantities of its own.
            "SLN" if line.is_some() => {
                let problem = "a subline (SLN) is not supported";
                Err(malformed(segment.number, problem))
            }
            _ => Ok(()),
        }
    }
}

fn check_is(segment: &Segment, element: &str, expected: &str) -> Result<(), FormatError> {
    let found = segment.element(1);
    if found == expected {
        return Ok(());
    }
    let found = quoted(found);
    Err(malformed(
        segment.number,
        format_args!("{element} is {found}, expected {expected:?} (an 846)"),
    ))
}
