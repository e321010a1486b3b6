//! A deterministic catalogue: a product's quantity depends only on the seed and the product's number.

use anyhow::Result;
use domain::identifiers::ProductId;

/// Range of the random quantities.
const QUANTITIES: std::ops::RangeInclusive<i64> = 20..=500;

/// Generates products in order.
#[derive(Debug)]
pub(crate) struct Catalogue {
    random: fastrand::Rng,
    next_number: u32,
    last_number: u32,
}

impl Catalogue {
    /// Creates a catalogue of the products `SKU-1` to `SKU-<products>`.
    pub(crate) fn new(products: u32, seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            next_number: 1,
            last_number: products,
        }
    }

    /// Returns the next products, at most `limit`; empty at the end.
    pub(crate) fn take(&mut self, limit: usize) -> Result<Vec<(ProductId, i64)>> {
        let mut lines = Vec::with_capacity(limit);
        while lines.len() < limit && self.next_number <= self.last_number {
            let product_id = ProductId::parse(format!("SKU-{}", self.next_number))?;
            lines.push((product_id, self.random.i64(QUANTITIES)));
            self.next_number += 1;
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_quantities_for_any_part_size() {
        let whole = Catalogue::new(10, 7).take(100).unwrap();
        let mut in_parts = Catalogue::new(10, 7);
        let mut parts = Vec::new();
        loop {
            let part = in_parts.take(3).unwrap();
            if part.is_empty() {
                break;
            }
            parts.extend(part);
        }
        assert_eq!(whole.len(), 10);
        assert_eq!(whole, parts);
        assert_ne!(whole, Catalogue::new(10, 8).take(100).unwrap());
        assert_eq!(whole[..5], Catalogue::new(5, 7).take(100).unwrap());
        assert_eq!(whole[9].0.as_str(), "SKU-10");
    }
}
