//! Numbers.

use domain::guard::Share;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};

use super::{Scalar, quoted};

/// Reads an integer from `MIN` to `MAX`.
pub(crate) fn integer<'de, D, T, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let expected = format_args!("an integer from {MIN} to {MAX}").to_string();
    let (number, found) = match Scalar::deserialize(deserializer)? {
        Scalar::Integer(number) => (Some(number), number.to_string()),
        Scalar::String(text) => {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            (text.parse().ok().filter(|_| digits), quoted(&text))
        }
        Scalar::Boolean(_) => (None, "a boolean".to_owned()),
        Scalar::Float(_) => (None, "a floating-point number".to_owned()),
    };
    number
        .filter(|number| (MIN..=MAX).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format!("is {found}, expected {expected}")))
}

/// Reads an optional integer.
pub(crate) fn optional_integer<'de, D, T, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    integer::<D, T, MIN, MAX>(deserializer).map(Some)
}

/// Reads an optional share of a whole, without none and all of it.
pub(crate) fn optional_share<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Share>, D::Error> {
    const EXPECTED: &str = "a number between 0 and 1, such as 0.5 for half";
    number(deserializer, EXPECTED, |number| {
        let share = Share::parse(number).ok();
        share.filter(|share| *share > Share::ZERO && *share < Share::ONE)
    })
    .map(Some)
}

/// Reads a ratio from 0 to 1, both included.
pub(crate) fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    const EXPECTED: &str = "a number from 0 to 1, such as 0.01 for one percent";
    number(deserializer, EXPECTED, |number| {
        (0.0..=1.0).contains(&number).then_some(number)
    })
}

/// Reads a number that `parse` accepts; `expected` describes it.
fn number<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &str,
    parse: impl Fn(f64) -> Option<T>,
) -> Result<T, D::Error> {
    let (number, found) = match Scalar::deserialize(deserializer)? {
        Scalar::Float(number) => (Some(number), number.to_string()),
        // Exact: only 0 and 1 are accepted.
        Scalar::Integer(number) => (
            i32::try_from(number).ok().map(f64::from),
            number.to_string(),
        ),
        Scalar::String(text) => {
            let is_plain = text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            (text.parse().ok().filter(|_| is_plain), quoted(&text))
        }
        Scalar::Boolean(_) => (None, "a boolean".to_owned()),
    };
    number
        .and_then(parse)
        .ok_or_else(|| D::Error::custom(format!("is {found}, expected {expected}")))
}
