//! A deterministic catalogue of any size.

/// Returns `count` products with 0 to 1,000 units each. The product ids are the same for every `seed`, the quantities differ.
pub fn catalogue(seed: u64, count: u64) -> impl Iterator<Item = (String, i64)> {
    (1..=count).map(move |number| {
        let units = i64::try_from(mix(seed, number) % 1_001).unwrap_or_default();
        (format!("SKU-{number:07}"), units)
    })
}

/// The finaliser of `SplitMix64`: adjacent inputs give unrelated results.
fn mix(seed: u64, number: u64) -> u64 {
    let mut bits = seed
        .wrapping_add(number)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_catalogue() {
        let first: Vec<_> = catalogue(1, 1_000).collect();
        assert_eq!(first, catalogue(1, 1_000).collect::<Vec<_>>());
        assert_ne!(first, catalogue(2, 1_000).collect::<Vec<_>>());
        let products: BTreeSet<_> = first.iter().map(|(product, _)| product).collect();
        assert_eq!(products.len(), 1_000);
        assert!(first.iter().all(|(_, units)| (0..=1_000).contains(units)));
    }
}
