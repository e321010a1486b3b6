//! EDIFACT INVRPT, Inventory report.
//!
//! Sources: UN/EDIFACT directories D.96A and D.01B (message INVRPT; segments DTM and PIA; data elements 0001, 0035, 1225, 2379
//! and 6063); EANCOM 1997 and 2002, Part II, INVRPT (LIN, QTY, INV; PIA 4347); GS1 Germany's EANCOM profile of INVRPT (INV 4501
//! and 4503); ISO 9735 for the envelope.

use std::io::BufRead;

use super::as_of::{Precision, Written};
use super::envelope::{Envelope, Level};
use super::line::{Line, Quantity};
use super::repertoire::declared_charset;
use super::segment::Segment;
use super::tokenizer::Tokenizer;
use super::{Dialect, FormatError, check_purpose, malformed, quoted};
use crate::decode::Document;

/// Functions (BGM 1225) of a message that does not state stock.
const NO_STATEMENTS: [(&str, &str); 5] = [
    ("1", "a cancellation"),
    ("17", "a cancellation"),
    ("3", "a deletion"),
    ("13", "a request"),
    ("53", "a test"),
];

/// Formats of dates and times (DTM 2379) that are read: CCYYMMDD, with HHMM, with SS, and with the offset of the zone.
const DATES: [(&str, Precision); 4] = [
    ("102", Precision::Day),
    ("203", Precision::Minute),
    ("204", Precision::Second),
    ("205", Precision::MinuteWithOffset),
];

/// The state of an interchange.
#[derive(Debug)]
pub(super) struct Edifact {
    /// The decimal mark that UNA states.
    stated_mark: Option<u8>,
    /// The decimal marks of the interchange.
    marks: &'static [u8],
    inventory: Inventory,
}

/// The segments INV of a line.
#[derive(Debug, Default)]
struct Inventory {
    order: Option<Order>,
    /// The movement that the last INV before quantities states.
    movement: Option<&'static str>,
}

/// The order of QTY and INV in a line: D.96A has INV behind the QTY that it describes, later directories before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    QuantityFirst,
    InventoryFirst,
}

impl Dialect for Edifact {
    const ENVELOPE: Envelope = Envelope {
        interchange: Level {
            name: "interchange",
            header: "UNB",
            trailer: "UNZ",
            control: 5,
            control_in_header: "UNB 0020",
            count_in_trailer: "UNZ 0036",
            control_in_trailer: "UNZ 0020",
        },
        group: Level {
            name: "group",
            header: "UNG",
            trailer: "UNE",
            control: 5,
            control_in_header: "UNG 0048",
            count_in_trailer: "UNE 0060",
            control_in_trailer: "UNE 0048",
        },
        message: Level {
            name: "message",
            header: "UNH",
            trailer: "UNT",
            control: 1,
            control_in_header: "UNH 0062",
            count_in_trailer: "UNT 0074",
            control_in_trailer: "UNT 0062",
        },
        needs_groups: false,
        acknowledgement: None,
    };
    const HEADER: &[&str] = &["BGM", "DTM", "ALI"];
    const END_OF_LINE: Option<&str> = None;

    fn segments(document: Document) -> Result<Tokenizer<impl BufRead>, FormatError> {
        Tokenizer::edifact(document.into_text(declared_charset)?)
    }

    fn new(decimal_mark: Option<u8>) -> Self {
        Self {
            stated_mark: decimal_mark,
            marks: b".,",
            inventory: Inventory::default(),
        }
    }

    fn interchange(&mut self, segment: &Segment) -> Result<(), FormatError> {
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
        self.marks = match self.stated_mark {
            Some(b',') if segment.component(1, 1) != "4" => b",",
            Some(b'.') if segment.component(1, 1) != "4" => b".",
            _ => b".,",
        };
        Ok(())
    }

    fn group(&self, _segment: &Segment) -> Result<(), FormatError> {
        Ok(())
    }

    fn message(&self, segment: &Segment) -> Result<(), FormatError> {
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

    fn instant(&self, segment: &Segment, code: &str) -> Result<Option<Written>, FormatError> {
        // C507: 2005 qualifier, 2380 date and time, 2379 format.
        if segment.name() != "DTM" || segment.component(1, 0) != code {
            return Ok(None);
        }
        let [text, format] = [1, 2].map(|index| segment.component(1, index));
        let found = DATES.iter().find(|(code, _)| *code == format);
        let (_, precision) = found.ok_or_else(|| {
            let format = quoted(format);
            let problem = format!("DTM 2379 is {format}, expected 102, 203, 204 or 205");
            malformed(segment.number, problem)
        })?;
        Ok(Some(Written {
            text: text.to_owned(),
            precision: *precision,
        }))
    }

    fn line(&mut self, segment: &Segment, line: &mut Line<'_>) -> Result<(), FormatError> {
        // C829 5495 = 1: the line is a part of the line before (EANCOM Part I, sub-lines).
        if segment.component(4, 0) == "1" {
            return Err(malformed(segment.number, "a sub-line is not supported"));
        }
        self.inventory = Inventory::default();
        // C212: 7140 item number, 7143 its type.
        line.add_id(segment.component(3, 1), segment.component(3, 0));
        Ok(())
    }

    fn quantity(&mut self, segment: &Segment, line: &mut Line<'_>) -> Result<(), FormatError> {
        self.inventory.order.get_or_insert(Order::QuantityFirst);
        // C186: 6063 qualifier, 6060 quantity, 6411 unit.
        let [code, number, unit] = [0, 1, 2].map(|index| segment.component(1, index));
        let quantity = Quantity { code, number, unit };
        line.add_quantity(segment.number, &quantity, self.marks)?;
        if let Some(movement) = self.inventory.movement {
            line.refuse_last(movement);
        }
        Ok(())
    }

    fn other(&mut self, segment: &Segment, line: Option<&mut Line<'_>>) -> Result<(), FormatError> {
        match (segment.name(), line) {
            ("BGM", _) => check_purpose(segment, 3, "BGM 1225", &NO_STATEMENTS)?,
            // 4347: 1 additional and 5 product identification are ids of the item; 3 and 4 are of a substitute.
            ("PIA", Some(line)) if matches!(segment.element(1), "1" | "5") => {
                for element in 2..=segment.elements() {
                    let [id, qualifier] = [0, 1].map(|index| segment.component(element, index));
                    line.add_id(qualifier, id);
                }
            }
            ("INV", Some(line)) => self.inventory.take(segment, line),
            _ => {}
        }
        Ok(())
    }
}

impl Inventory {
    /// INV 4501 states a movement, unless 4503 says that the quantity is a balance (EANCOM 2002, INVRPT, INV).
    fn take(&mut self, segment: &Segment, line: &mut Line<'_>) {
        let movement = match (segment.element(1), segment.element(4)) {
            (_, "1" | "2") => None,
            ("1", _) => Some("out of the inventory, a movement (INV)"),
            ("2", _) => Some("into the inventory, a movement (INV)"),
            _ => None,
        };
        match self.order.get_or_insert(Order::InventoryFirst) {
            Order::InventoryFirst => self.movement = movement,
            Order::QuantityFirst => {
                if let Some(movement) = movement {
                    line.refuse_last(movement);
                }
            }
        }
    }
}
