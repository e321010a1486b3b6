//! The vendors that push their reports.
//!
//! A document is received while others of the same vendor may be, a few at a time, and applied one after the other, so that the
//! space for documents is bounded. Other processes may apply reports of the same vendor concurrently; the lock on the vendor's
//! row serializes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{
    ConfiguredPushFeed, DocumentUpload, FeedError, FinishedSync, PushFeed, PushedDocument,
    UploadError, VendorFeed,
};
use domain::services::{SyncError, VendorSync};
use domain::timestamp::Timestamp;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument as _, info_span};

use super::DetachedWork;
use crate::problem::{FieldError, Problem};

/// Maximum number of documents of one vendor that are received or applied at a time.
const MAX_CONCURRENT: usize = 4;

/// The vendors of the settings that push their reports.
pub(super) struct PushVendors {
    sync: VendorSync,
    detached: DetachedWork,
    by_id: BTreeMap<VendorId, Arc<PushVendor>>,
}

struct PushVendor {
    configured: ConfiguredPushFeed,
    permits: Arc<Semaphore>,
    /// Held while a document is applied.
    applying: Mutex<()>,
}

/// A report that is being pushed.
pub(crate) struct Push {
    sync: VendorSync,
    detached: DetachedWork,
    vendor: Arc<PushVendor>,
    arrived_at: Timestamp,
    _permit: OwnedSemaphorePermit,
}

impl PushVendors {
    pub(super) fn new(
        sync: VendorSync,
        detached: DetachedWork,
        feeds: impl IntoIterator<Item = ConfiguredPushFeed>,
    ) -> Self {
        let vendors = feeds.into_iter().map(|configured| {
            let vendor_id = configured.feed.vendor_id().clone();
            let vendor = PushVendor {
                configured,
                permits: Arc::new(Semaphore::new(MAX_CONCURRENT)),
                applying: Mutex::default(),
            };
            (vendor_id, Arc::new(vendor))
        });
        Self {
            sync,
            detached,
            by_id: vendors.collect(),
        }
    }

    pub(super) fn contains(&self, vendor_id: &VendorId) -> bool {
        self.by_id.contains_key(vendor_id)
    }

    pub(super) fn get(&self, vendor_id: &VendorId) -> Option<&ConfiguredPushFeed> {
        self.by_id.get(vendor_id).map(|vendor| &vendor.configured)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ConfiguredPushFeed> {
        self.by_id.values().map(|vendor| &vendor.configured)
    }

    /// Begins to receive a report; `None` if the vendor does not push its reports.
    pub(super) async fn begin(&self, vendor_id: &VendorId) -> Result<Option<Push>, Problem> {
        let Some(vendor) = self.by_id.get(vendor_id) else {
            return Ok(None);
        };
        let permit = Arc::clone(&vendor.permits)
            .try_acquire_owned()
            .map_err(|_| {
                Problem::unavailable(
                    "too many reports of this vendor are being received; nothing was recorded",
                )
            })?;
        Ok(Some(Push {
            sync: self.sync.clone(),
            detached: self.detached.clone(),
            vendor: Arc::clone(vendor),
            // Before the document: its counts are older than this.
            arrived_at: self.sync.store_time().await?,
            _permit: permit,
        }))
    }
}

impl Push {
    fn feed(&self) -> &dyn PushFeed {
        self.vendor.configured.feed.as_ref()
    }

    /// The vendor's setting `timeout`.
    pub(crate) fn timeout(&self) -> Duration {
        self.feed().timeout()
    }

    pub(crate) fn receive(
        &self,
        document: PushedDocument,
    ) -> Result<Box<dyn DocumentUpload>, UploadError> {
        self.feed().receive(document)
    }

    /// Applies the report of the received document, after those that are being applied, also if the caller is dropped.
    pub(crate) async fn apply(self, report: Box<dyn VendorFeed>) -> Result<FinishedSync, Problem> {
        let detached = self.detached.clone();
        let applied = detached.run(async move {
            let _turn = self.vendor.applying.lock().await;
            let span = info_span!("push", vendor.id = %self.feed().vendor_id());
            let applied = self.sync.apply_pushed(report.as_ref(), self.arrived_at);
            applied.instrument(span).await.map_err(problem)
        });
        applied.await
    }
}

/// The problem of a report that was not applied. Unlike a vendor that is requested, the caller can correct the report.
fn problem(failure: SyncError) -> Problem {
    match failure {
        SyncError::Feed {
            source: FeedError::Malformed(malformed),
            ..
        } => {
            let refused = malformed.refused.kept().iter();
            let mut errors: Vec<FieldError> = refused
                .map(|refusal| FieldError::of_document(refusal.to_string()))
                .collect();
            if errors.is_empty() {
                errors.push(FieldError::of_document(malformed.problem.clone()));
            }
            let detail = format!("{}; the stock was not changed", malformed.problem);
            Problem::invalid_document(detail, errors)
        }
        SyncError::Feed { source, .. } => {
            Problem::unavailable(format!("{source}; the stock was not changed"))
        }
        other => other.into(),
    }
}
