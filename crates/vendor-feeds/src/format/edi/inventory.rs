//! The quantities of a line of an INVRPT: stock, or movements of stock.

use super::FormatError;
use super::line::{Line, number};
use super::segment::Segment;
use crate::record::Value;

/// The order of QTY and INV in a line: D.96A has INV behind the QTY that it describes, later directories before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    QuantityFirst,
    InventoryFirst,
}

/// A line, and the quantity that is not yet complete.
pub(super) struct InventoryLine<'c> {
    pub(super) line: Line<'c>,
    order: Option<Order>,
    /// The last quantity, because its INV may follow.
    last: Option<Quantity>,
    /// The movement that the last INV states.
    movement: Option<&'static str>,
}

struct Quantity {
    segment: u64,
    code: String,
    text: String,
    movement: Option<&'static str>,
}

impl<'c> InventoryLine<'c> {
    pub(super) fn new(line: Line<'c>) -> Self {
        Self {
            line,
            order: None,
            last: None,
            movement: None,
        }
    }

    /// The line, whose last quantity is complete.
    pub(super) fn finish(mut self, marks: &[u8]) -> Result<Line<'c>, FormatError> {
        self.end_quantity(marks)?;
        Ok(self.line)
    }

    /// INV 4501 states a movement, unless 4503 says that the quantity is a balance (EANCOM 2002, INVRPT, INV).
    pub(super) fn inventory(&mut self, segment: &Segment) {
        let movement = match (segment.element(1), segment.element(4)) {
            (_, "1" | "2") => None,
            ("1", _) => Some("out of the inventory"),
            ("2", _) => Some("into the inventory"),
            _ => None,
        };
        match self.order.get_or_insert(Order::InventoryFirst) {
            Order::InventoryFirst => self.movement = movement,
            Order::QuantityFirst => {
                if let Some(last) = &mut self.last {
                    last.movement = movement;
                }
            }
        }
    }

    pub(super) fn quantity(&mut self, segment: &Segment, marks: &[u8]) -> Result<(), FormatError> {
        self.end_quantity(marks)?;
        self.order.get_or_insert(Order::QuantityFirst);
        // C186: 6063 qualifier, 6060 quantity, 6411 unit.
        let [code, text] = [0, 1].map(|index| segment.component(1, index).to_owned());
        self.last = Some(Quantity {
            segment: segment.number,
            code,
            text,
            movement: self.movement,
        });
        Ok(())
    }

    fn end_quantity(&mut self, marks: &[u8]) -> Result<(), FormatError> {
        let Some(quantity) = self.last.take() else {
            return Ok(());
        };
        let text = &quantity.text;
        self.line
            .add_quantity(quantity.segment, &quantity.code, || {
                match quantity.movement {
                    Some(movement) => {
                        Value::Other(format!("{text}, a movement {movement} (INV),").into())
                    }
                    None => number(text, marks),
                }
            })
    }
}
