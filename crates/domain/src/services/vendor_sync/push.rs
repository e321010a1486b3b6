//! Reports that a vendor pushes.

use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::{SyncError, VendorSync};
use crate::guard::Guard;
use crate::identifiers::VendorId;
use crate::ports::{FeedError, FetchedReport, FinishedSync, StoreError, VendorFeed};
use crate::report::Report;
use crate::timestamp::Timestamp;

impl VendorSync {
    /// Returns the store's clock. It is read when a pushed report begins to arrive, for [`apply_pushed`](Self::apply_pushed).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn store_time(&self) -> Result<Timestamp, StoreError> {
        self.probe.store_time().await
    }

    /// Applies a report that a vendor pushed, with the result of [`sync`](Self::sync). `arrived_at` is the store's clock when
    /// the request began to arrive: the vendor counted before that, so it is an upper bound of the as-of, and it orders
    /// reports of the same as-of. The pause of a vendor that failed delays requests to it and no report from it.
    ///
    /// # Errors
    /// [`SyncError`], as for [`sync`](Self::sync).
    pub async fn apply_pushed(
        &self,
        report: &dyn VendorFeed,
        arrived_at: Timestamp,
    ) -> Result<FinishedSync, SyncError> {
        self.sync_requested(&Pushed(report), arrived_at).await
    }
}

/// SHA-256 of the lines of a report, in hexadecimal digits.
fn digest(report: &Report) -> String {
    let mut hash = Sha256::new();
    for (product_id, units) in report.quantities() {
        // No product id has a control character.
        hash.update(format!("{product_id}\n{units}\n"));
    }
    hex::encode(hash.finalize())
}

/// The report of a request of the vendor.
struct Pushed<'r>(&'r dyn VendorFeed);

#[async_trait]
impl VendorFeed for Pushed<'_> {
    fn vendor_id(&self) -> &VendorId {
        self.0.vendor_id()
    }

    /// A `Date` without another time is removed. A vendor that is requested counts after the request was sent; one that
    /// pushes counts before it sends, so the time of sending proves nothing about the count.
    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        let mut fetched = self.0.fetch().await?;
        if fetched.report.as_of().is_none() && fetched.times.last_modified.is_none() {
            fetched.times.date = None;
            // Sent again after an error, it is the same report, which does not confirm the one in quarantine.
            fetched.times.etag = Some(digest(&fetched.report));
        }
        Ok(fetched)
    }

    fn lag(&self) -> Duration {
        self.0.lag()
    }

    fn max_age(&self) -> Option<Duration> {
        self.0.max_age()
    }

    fn guard(&self) -> Guard {
        self.0.guard()
    }
}
