//! Places in the store's change log.

use std::fmt;

use thiserror::Error;

/// Why a text is not a position.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("is not a position: two whole numbers with a hyphen between them")]
pub struct InvalidPosition;

/// A place in the change log: positions rise in the order in which entries are read. What its two numbers count is the
/// business of the store that gave it; a position of one store means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    group: u64,
    number: u64,
}

impl Position {
    /// Before every entry.
    pub const START: Self = Self::new(0, 0);

    /// For stores: `group` counts first, `number` within it.
    #[must_use]
    pub const fn new(group: u64, number: u64) -> Self {
        Self { group, number }
    }

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    ///
    /// # Errors
    /// [`InvalidPosition`].
    pub fn parse(text: &str) -> Result<Self, InvalidPosition> {
        let (group, number) = text.split_once('-').ok_or(InvalidPosition)?;
        let position = Self {
            group: group.parse().map_err(|_| InvalidPosition)?,
            number: number.parse().map_err(|_| InvalidPosition)?,
        };
        // One spelling each: no sign, no zero in front.
        if position.to_string() == text {
            Ok(position)
        } else {
            Err(InvalidPosition)
        }
    }

    /// The number that counts first.
    #[must_use]
    pub const fn group(self) -> u64 {
        self.group
    }

    /// The number within the group.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.group, self.number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_position_is_read_as_it_is_written(group: u64, number: u64) {
            let position = Position::new(group, number);
            prop_assert_eq!(Position::parse(&position.to_string()), Ok(position));
        }
    }

    #[test]
    fn there_is_one_spelling() {
        for wrong in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "01-2",
            "1-+2",
            "1 -2",
            "1--2",
            "x-1",
            "18446744073709551616-0",
        ] {
            assert_eq!(Position::parse(wrong), Err(InvalidPosition), "{wrong}");
        }
    }

    #[test]
    fn the_group_counts_first() {
        assert!(Position::START < Position::new(0, 1));
        assert!(Position::new(1, u64::MAX) < Position::new(2, 0));
    }
}
