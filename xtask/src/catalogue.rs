//! A made-up catalogue that is the same each time: a product's quantity follows from the seed and its number alone.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use clock_tokio::SystemClock;
use domain::evidence::ResponseTimes;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{Clock as _, FeedError, FetchedReport, VendorFeed};
use domain::report::{Report, ReportKind};

/// Quantities are drawn from these.
const QUANTITIES: std::ops::RangeInclusive<i64> = 20..=500;

/// Draws one product after the other.
#[derive(Debug)]
pub(crate) struct Catalogue {
    random: fastrand::Rng,
    next_number: u32,
    last_number: u32,
}

impl Catalogue {
    /// The products `SKU-1` to `SKU-<products>`.
    pub(crate) fn new(products: u32, seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            next_number: 1,
            last_number: products,
        }
    }

    /// The next products, at most `limit`; none at the end.
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

/// One part of the catalogue, as a vendor would report it.
#[derive(Debug)]
pub(crate) struct CatalogueFeed {
    vendor_id: VendorId,
    report: Report,
}

impl CatalogueFeed {
    /// A delta that states this moment as its as-of: products of other parts stay as they are.
    pub(crate) fn new(vendor_id: VendorId, lines: Vec<(ProductId, i64)>) -> Result<Self> {
        let report = Report::parse(ReportKind::Delta, Some(SystemClock.now()), lines)?;
        Ok(Self { vendor_id, report })
    }
}

#[async_trait]
impl VendorFeed for CatalogueFeed {
    fn vendor_id(&self) -> &VendorId {
        &self.vendor_id
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        Ok(FetchedReport {
            report: self.report.clone(),
            times: ResponseTimes::default(),
        })
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_quantities_in_whatever_parts() {
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
