//! Reads quantities. Nothing is guessed: a text is a number only if the whole of it is one by the settings.

use domain::stock::MAX_REPORTED;

/// A decimal number, reduced to what a rule has to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// The integer part, without its sign; more than [`MAX_REPORTED`] is `u64::MAX`.
    pub(crate) whole: u64,
    /// Whether the number is below 0.
    pub(crate) is_negative: bool,
    /// Whether it has digits other than 0 behind the decimal mark.
    pub(crate) has_fraction: bool,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notation {
    /// The decimal mark.
    pub(crate) decimal: char,
    /// The mark between groups of three digits, if digits are grouped.
    pub(crate) thousands: Option<char>,
}

impl Notation {
    /// Numbers by their type, as formats pass them on.
    pub(crate) const TYPED: Self = Self {
        decimal: '.',
        thousands: None,
    };

    /// Parses a number: an optional sign, digits, and optionally the decimal mark with digits behind it. Groups, where they
    /// are used, must all have three digits except for the first: `1,2345` is not a number. An exponent is not accepted, so that
    /// an EAN in scientific notation is not a quantity.
    pub(crate) fn parse(self, text: &str) -> Option<Decimal> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        if fraction.is_some_and(|fraction| !is_digits(fraction)) {
            return None;
        }
        let whole = self.parse_whole(whole)?;
        let has_fraction =
            fraction.is_some_and(|fraction| fraction.bytes().any(|digit| digit != b'0'));
        Some(Decimal {
            whole,
            // There is no -0.
            is_negative: is_negative && (whole > 0 || has_fraction),
            has_fraction,
        })
    }

    fn parse_whole(self, text: &str) -> Option<u64> {
        let mut groups = text.split(|char| Some(char) == self.thousands);
        let first = groups.next().filter(|group| is_digits(group))?;
        let mut whole = append_digits(0, first);
        let mut is_grouped = false;
        for group in groups {
            if group.len() != 3 || !is_digits(group) {
                return None;
            }
            is_grouped = true;
            whole = append_digits(whole, group);
        }
        (!is_grouped || first.len() <= 3).then_some(if whole > u64::from(MAX_REPORTED) {
            u64::MAX
        } else {
            whole
        })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn append_digits(number: u64, digits: &str) -> u64 {
    digits.bytes().fold(number, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GERMAN: Notation = Notation {
        decimal: ',',
        thousands: Some('.'),
    };

    #[expect(clippy::unnecessary_wraps, reason = "compared with optional values")]
    fn decimal(whole: u64, is_negative: bool, has_fraction: bool) -> Option<Decimal> {
        Some(Decimal {
            whole,
            is_negative,
            has_fraction,
        })
    }

    #[test]
    fn numbers_are_read_by_their_notation() {
        for (text, expected) in [
            ("0", decimal(0, false, false)),
            ("-0", decimal(0, false, false)),
            ("+7", decimal(7, false, false)),
            ("0012", decimal(12, false, false)),
            ("12.0", decimal(12, false, false)),
            ("12.50", decimal(12, false, true)),
            ("-3", decimal(3, true, false)),
            ("-0.5", decimal(0, true, true)),
            ("99999999999999999999999", decimal(u64::MAX, false, false)),
        ] {
            assert_eq!(Notation::TYPED.parse(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("1.234", decimal(1_234, false, false)),
            ("1.234.567,00", decimal(1_234_567, false, false)),
            ("13,75", decimal(13, false, true)),
            ("1234", decimal(1_234, false, false)),
        ] {
            assert_eq!(GERMAN.parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_wholly_a_number_is_none() {
        for text in [
            "", " ", " 4", "4 ", "-", "+-4", ".", ".5", "5.", "1.2.3", "1,234", "1.2E+13", "1e3",
            "0x10", "NaN", "inf", "Y", "10+", "٣", "1_000", "−3",
        ] {
            assert_eq!(Notation::TYPED.parse(text), None, "{text:?}");
        }
        for text in ["1.23", "1.2345", "1234.567", ".234", "1..234", "1.234."] {
            assert_eq!(GERMAN.parse(text), None, "{text:?}");
        }
    }
}
