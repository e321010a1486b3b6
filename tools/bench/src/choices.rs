//! The requests that `load.lua` chooses from, one per line.

use std::path::Path;

use anyhow::{Context, Result};
use strum::IntoStaticStr;

/// Number of products in stock, from SKU-1. SKU-1 is the hot product.
pub(super) const PRODUCTS: u32 = 1_000;

/// Distribution of orders over products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Spread {
    /// All orders are for one product.
    Hot,
    /// All products are equally likely.
    Uniform,
    /// The probability of the n-th product is proportional to 1/n.
    Zipf,
}

impl Spread {
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the number of products.
    pub(super) fn products(self) -> u32 {
        match self {
            Self::Hot => 1,
            Self::Uniform | Self::Zipf => PRODUCTS,
        }
    }

    fn weight(self, number: u32) -> f64 {
        match self {
            Self::Hot | Self::Uniform => 1.0,
            Self::Zipf => 1.0 / f64::from(number),
        }
    }

    /// Writes the request bodies, one unit per order.
    pub(super) fn write(self, file: &Path) -> Result<()> {
        let choices = (1..=self.products()).map(|number| {
            let body = format!(r#"{{"product_id":"SKU-{number}","quantity":1}}"#);
            (self.weight(number), body)
        });
        write(file, choices)
    }
}

/// Writes choices with their cumulative shares.
pub(super) fn write(file: &Path, choices: impl IntoIterator<Item = (f64, String)>) -> Result<()> {
    let (weights, texts): (Vec<f64>, Vec<String>) = choices.into_iter().unzip();
    let lines: Vec<String> = cumulative(&weights)
        .iter()
        .zip(&texts)
        .map(|(share, text)| format!("{share:.9}\t{text}\n"))
        .collect();
    std::fs::write(file, lines.concat()).with_context(|| format!("cannot write {}", file.display()))
}

/// Returns the cumulative share of each weight; the last one is 1.
fn cumulative(weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let mut shares: Vec<f64> = weights
        .iter()
        .map(|weight| {
            sum += weight;
            sum / total
        })
        .collect();
    if let Some(last) = shares.last_mut() {
        *last = 1.0;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(spread: Spread) -> Vec<(f64, String)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        spread.write(file.path()).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        text.lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(share, body)| (share.parse().unwrap(), body.to_owned()))
            .collect()
    }

    #[test]
    fn zipf_probability_of_the_second_product_is_half_of_the_first() {
        let lines = lines(Spread::Zipf);
        assert_eq!(lines.len(), 1000);
        let first = lines[0].0;
        // 1/H(1000), H(1000) = 7.485470861.
        assert!((first - 1.0 / 7.485_470_861).abs() < 1e-8, "{first}");
        let second = lines[1].0 - first;
        assert!((second - first / 2.0).abs() < 1e-8);
        assert!((lines[999].0 - 1.0).abs() < f64::EPSILON);
        assert!(lines.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn uniform_has_equal_shares_and_hot_has_one_product() {
        let uniform = lines(Spread::Uniform);
        assert!((uniform[499].0 - 0.5).abs() < 1e-8);
        let hot = lines(Spread::Hot);
        let body = r#"{"product_id":"SKU-1","quantity":1}"#.to_owned();
        assert_eq!(hot, [(1.0, body)]);
    }
}
