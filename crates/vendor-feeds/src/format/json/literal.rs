//! Reads a JSON value that is kept as it is written.

use std::borrow::Cow;

use crate::record::Value;

/// Largest exponent of a number that is written out; a larger one is no count of units.
const MAX_EXPONENT: u32 = 40;

/// Reads a valid JSON value.
pub(super) fn value(text: &str) -> Value<'_> {
    match text.as_bytes().first() {
        Some(b'"') => match text.get(1..text.len() - 1) {
            Some(plain) if !plain.contains('\\') => Value::Text(Cow::Borrowed(plain)),
            _ => match serde_json::from_str(text) {
                Ok(text) => Value::Text(Cow::Owned(text)),
                // Half a surrogate pair.
                Err(_) => Value::Other(Cow::Borrowed(text)),
            },
        },
        Some(b'-' | b'0'..=b'9') => Value::Number(without_exponent(text)),
        _ => Value::Other(Cow::Borrowed(text)),
    }
}

/// Writes a number in digits, exactly. A number with a huge exponent is returned as it is.
fn without_exponent(number: &str) -> Cow<'_, str> {
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else {
        return Cow::Borrowed(number);
    };
    let exponent: i32 = match exponent.parse() {
        Ok(exponent) if i32::unsigned_abs(exponent) <= MAX_EXPONENT => exponent,
        _ => return Cow::Borrowed(number),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shift = exponent.unsigned_abs() as usize;
    let (whole, fraction) = if exponent >= 0 {
        let moved = fraction.chars().chain(std::iter::repeat('0')).take(shift);
        let fraction = fraction.get(shift..).unwrap_or_default();
        (
            whole.chars().chain(moved).collect::<String>(),
            fraction.to_owned(),
        )
    } else {
        let padded = format!("{}{whole}", "0".repeat(shift));
        let (whole, moved) = padded.split_at(padded.len() - shift);
        (whole.to_owned(), format!("{moved}{fraction}"))
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Cow::Owned(format!("{sign}{whole}{point}{fraction}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_exact_digits() {
        for (text, expected) in [
            ("4", "4"),
            ("4.0", "4.0"),
            ("-3", "-3"),
            ("99999999999999999999", "99999999999999999999"),
            ("1e2", "100"),
            ("1.50E+1", "15"),
            ("4.006381333931E12", "4006381333931"),
            ("125e-1", "12.5"),
            ("12e-4", "0.0012"),
            ("0.0e5", "0"),
            ("-1.2e0", "-1.2"),
            ("1e999", "1e999"),
            ("1e-99999999999", "1e-99999999999"),
        ] {
            assert_eq!(value(text), Value::Number(expected.into()), "{text}");
        }
    }

    #[test]
    fn other_values_keep_their_type() {
        assert_eq!(value(r#""0012""#), Value::Text("0012".into()));
        assert_eq!(value(r#""""#), Value::Text("".into()));
        assert_eq!(
            value(r#""a\"\u00e4\ud83d\ude00""#),
            Value::Text("a\"ä😀".into())
        );
        for other in ["null", "true", "[1]", "{}", r#""\ud800""#] {
            assert_eq!(value(other), Value::Other(other.into()), "{other}");
        }
    }

    proptest! {
        #[test]
        fn number_is_the_same_without_its_exponent(mantissa in -1_000_000_i64..1_000_000, places in 0_usize..4, exponent in -20_i32..20) {
            let sign = if mantissa < 0 { "-" } else { "" };
            let digits = format!("{:04}", mantissa.unsigned_abs());
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let whole = match whole.trim_start_matches('0') { "" => "0", whole => whole };
            let point = if places == 0 { "" } else { "." };
            let text = format!("{sign}{whole}{point}{fraction}e{exponent}");
            let written = without_exponent(&text);
            prop_assert!(!written.contains('e'), "{written}");
            let bits = |text: &str| text.parse::<f64>().unwrap().to_bits();
            prop_assert_eq!(bits(&written), bits(&text));
        }
    }
}
