//! Medians and percentiles.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Returns the quantile by nearest rank; `None` without values.
pub(super) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = rank(share, sorted.len())?;
    sorted.get(index).copied()
}

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

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a count is between 0 and the count"
)]
fn rank(share: f64, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some(
        ((share * count as f64).ceil() as usize)
            .saturating_sub(1)
            .min(last),
    )
}

/// Number of occurrences of each value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Counts(BTreeMap<u64, u64>);

impl Counts {
    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the number of occurrences of a value.
    pub(super) fn of(&self, value: u64) -> u64 {
        self.0.get(&value).copied().unwrap_or_default()
    }

    /// Like [`quantile`], but 0 without values.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        let total = usize::try_from(self.total()).unwrap_or(usize::MAX);
        let Some(rank) = rank(share, total) else {
            return 0;
        };
        let mut before = 0;
        for (value, count) in &self.0 {
            before += count;
            if before > rank as u64 {
                return *value;
            }
        }
        0
    }
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
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(100.0));
        assert_eq!(quantile(&values, 0.99), Some(198.0));
        assert_eq!(quantile(&values, 1.0), Some(200.0));
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn counts_have_the_same_percentiles_as_values() {
        let counts = Counts((1..=200).map(|value| (value, 1)).collect());
        assert_eq!(counts.quantile(0.99), 198);
        assert_eq!(counts.quantile(0.5), 100);
        assert_eq!((counts.total(), counts.of(7), counts.of(201)), (200, 1, 0));
        assert_eq!(Counts::default().quantile(0.5), 0);
    }
}
