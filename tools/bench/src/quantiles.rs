//! Medians, and histograms of times.

use std::collections::BTreeMap;

use hdrhistogram::{CreationError, Histogram};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Returns the median; `None` without values.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper))
}

/// Returns an empty histogram, which is exact for times up to 262 ms in µs.
pub(super) fn histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new(5)
}

/// Reads a histogram from a map of values to their numbers of occurrences.
pub(super) fn from_counts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Histogram<u64>, D::Error> {
    let mut histogram = histogram().map_err(D::Error::custom)?;
    for (value, count) in BTreeMap::<u64, u64>::deserialize(deserializer)? {
        let recorded = histogram.record_n(value, count);
        recorded.map_err(D::Error::custom)?;
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_even_count_is_the_mean_of_the_middle_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn percentile_is_one_of_the_values() {
        let counts: BTreeMap<u64, u64> = (1..=200).map(|value| (value, 1)).collect();
        let counts = serde_json::to_value(counts).unwrap();
        let histogram = from_counts(counts).unwrap();
        for (share, expected) in [(0.0, 1), (0.5, 100), (0.99, 198), (1.0, 200)] {
            assert_eq!(histogram.value_at_quantile(share), expected);
        }
        assert_eq!(super::histogram().unwrap().value_at_quantile(0.5), 0);
    }
}
