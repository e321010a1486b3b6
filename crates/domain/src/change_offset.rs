//! Offsets in the store's change log.

use std::fmt;

use thiserror::Error;

/// The text is not an offset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be two integers joined by a hyphen")]
pub struct InvalidOffset;

/// An offset in the change log: offsets rise in the order in which entries are read. The meaning of the two numbers is
/// internal to the store; an offset of one store is meaningless in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeOffset {
    group: u64,
    number: u64,
}

impl ChangeOffset {
    /// The offset before every entry.
    pub const START: Self = Self::new(0, 0);

    /// An offset of a store, ordered by `group`, then by `number`.
    #[must_use]
    pub const fn new(group: u64, number: u64) -> Self {
        Self { group, number }
    }

    /// Parses the text that [`Display`](fmt::Display) writes, and no other.
    ///
    /// # Errors
    /// [`InvalidOffset`].
    pub fn parse(text: &str) -> Result<Self, InvalidOffset> {
        let (group, number) = text.split_once('-').ok_or(InvalidOffset)?;
        let offset = Self {
            group: group.parse().map_err(|_| InvalidOffset)?,
            number: number.parse().map_err(|_| InvalidOffset)?,
        };
        // There is only one valid spelling: without a sign and without leading zeros.
        if offset.to_string() == text {
            Ok(offset)
        } else {
            Err(InvalidOffset)
        }
    }

    /// The more significant number.
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

impl fmt::Display for ChangeOffset {
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
        fn an_offset_parses_as_it_was_written(group: u64, number: u64) {
            let offset = ChangeOffset::new(group, number);
            prop_assert_eq!(ChangeOffset::parse(&offset.to_string()), Ok(offset));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
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
            assert_eq!(ChangeOffset::parse(wrong), Err(InvalidOffset), "{wrong}");
        }
    }

    #[test]
    fn offsets_are_ordered_by_group_first() {
        assert!(ChangeOffset::START < ChangeOffset::new(0, 1));
        assert!(ChangeOffset::new(1, u64::MAX) < ChangeOffset::new(2, 0));
    }
}
