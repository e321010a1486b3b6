//! The configured vendors, with the use cases to read and sync them.

mod detached;
mod push;
mod single_flight;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use domain::identifiers::VendorId;
use domain::ports::{
    ConfiguredFeed, ConfiguredPushFeed, FinishedSync, OperatorPause, StoreError, StoredPause,
    VendorFeed, VendorQueries, VendorSetQueries,
};
use domain::services::{
    PauseReason, PauseVendor, PauseVendorError, QuarantineDecision, SyncError, VendorSync,
};
use domain::vendor_set::{VendorSet, VendorSource};
use tracing::{Instrument as _, info_span};

use crate::problem::Problem;
pub(crate) use detached::DetachedWork;
use push::{Push, PushVendors};
use single_flight::SingleFlight;

/// The vendors of the settings and of the store, with the use cases to read and sync them.
pub(crate) struct Vendors {
    pub(crate) queries: Arc<dyn VendorQueries>,
    vendor_sets: Arc<dyn VendorSetQueries>,
    sync: VendorSync,
    detached: DetachedWork,
    pausing: PauseVendor,
    /// `None` for a vendor without a feed, whose stock is entered manually.
    by_id: BTreeMap<VendorId, Option<Feed>>,
    /// The vendors that push their reports, none of which is in `by_id`.
    pushed: PushVendors,
}

struct Feed {
    source: Arc<dyn VendorFeed>,
    /// The URL to show, without secrets.
    url: String,
    syncs: SingleFlight,
}

/// The settings of a vendor that the API shows. For a vendor that only other processes have in their settings, only the URL
/// is known.
#[derive(Clone, Default)]
pub(crate) struct VendorRules {
    /// `None` for a vendor without a feed.
    pub(crate) url: Option<String>,
    pub(crate) lag: Duration,
    pub(crate) max_age: Option<Duration>,
}

impl Vendors {
    /// Creates the vendors from those with a feed, those that push their reports, and those without a feed.
    pub(crate) fn new(
        queries: Arc<dyn VendorQueries>,
        vendor_sets: Arc<dyn VendorSetQueries>,
        sync: VendorSync,
        detached: DetachedWork,
        with_feeds: impl IntoIterator<Item = ConfiguredFeed>,
        pushed: impl IntoIterator<Item = ConfiguredPushFeed>,
        manual: impl IntoIterator<Item = VendorId>,
    ) -> Self {
        let manual = manual.into_iter().map(|vendor_id| (vendor_id, None));
        let with_feeds = with_feeds.into_iter().map(|configured| {
            let vendor_id = configured.feed.vendor_id().clone();
            let feed = Feed {
                source: configured.feed,
                url: configured.url,
                syncs: SingleFlight::default(),
            };
            (vendor_id, Some(feed))
        });
        Self {
            queries,
            vendor_sets,
            pushed: PushVendors::new(sync.clone(), detached.clone(), pushed),
            pausing: sync.pausing(),
            sync,
            detached,
            by_id: manual.chain(with_feeds).collect(),
        }
    }

    /// Returns at most `limit` vendors after the id: the vendors of the settings, and the vendors in the store that
    /// processes with other settings have configured.
    pub(crate) async fn after(
        &self,
        id: Option<&VendorId>,
        limit: u32,
    ) -> Result<Vec<(VendorId, VendorRules)>, StoreError> {
        // The digest does not matter: the current set is read.
        let any = VendorSet::default().digest();
        let stored = self.vendor_sets.find_vendor_set(&any).await?.configured;
        let mut all: BTreeMap<VendorId, VendorRules> = stored
            .into_iter()
            .map(|member| {
                let url = member.vendor.source.as_ref().map(VendorSource::url);
                let rules = VendorRules {
                    url: url.map(str::to_owned),
                    ..VendorRules::default()
                };
                (member.vendor.vendor_id, rules)
            })
            .collect();
        for (vendor_id, feed) in &self.by_id {
            let rules = feed.as_ref().map(|feed| VendorRules {
                url: Some(feed.url.clone()),
                lag: feed.source.lag(),
                max_age: feed.source.max_age(),
            });
            all.insert(vendor_id.clone(), rules.unwrap_or_default());
        }
        for pushed in self.pushed.iter() {
            let rules = VendorRules {
                url: Some(pushed.url.clone()),
                lag: pushed.feed.lag(),
                max_age: pushed.feed.max_age(),
            };
            all.insert(pushed.feed.vendor_id().clone(), rules);
        }
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let page = all.range::<VendorId, _>((from, Bound::Unbounded));
        let page = page.take(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(page
            .map(|(vendor_id, rules)| (vendor_id.clone(), rules.clone()))
            .collect())
    }

    /// Whether the vendor is in the settings.
    fn is_local(&self, vendor_id: &VendorId) -> bool {
        self.by_id.contains_key(vendor_id) || self.pushed.contains(vendor_id)
    }

    /// Whether the vendor is in the settings, or was ever configured in the store.
    pub(crate) async fn is_known(&self, vendor_id: &VendorId) -> Result<bool, StoreError> {
        let ids = std::slice::from_ref(vendor_id);
        Ok(self.is_local(vendor_id) || !self.queries.find_vendors(ids).await?.is_empty())
    }

    /// Returns the pauses of the vendors whose last sync failed or that an operator has paused.
    pub(crate) async fn pauses(
        &self,
        vendor_ids: &[VendorId],
    ) -> Result<BTreeMap<VendorId, StoredPause>, StoreError> {
        let found = self.sync.find_pauses(vendor_ids).await?.into_iter();
        Ok(found
            .map(|stored| (stored.vendor_id.clone(), stored))
            .collect())
    }

    /// Pauses the scheduled syncs of a vendor.
    pub(crate) async fn pause(
        &self,
        vendor_id: &VendorId,
        reason: Option<&PauseReason>,
    ) -> Result<OperatorPause, Problem> {
        match self.pausing.pause(vendor_id, reason).await {
            Err(PauseVendorError::NotFound(_)) if self.is_local(vendor_id) => {
                Err(SyncError::NotConfigured(vendor_id.clone()).into())
            }
            paused => Ok(paused?),
        }
    }

    /// Ends the pause of a vendor, if it is paused.
    pub(crate) async fn resume(&self, vendor_id: &VendorId) -> Result<(), Problem> {
        let ended = self.pausing.resume(vendor_id).await?;
        if ended.is_none() && !self.is_known(vendor_id).await? {
            return Err(PauseVendorError::NotFound(vendor_id.clone()).into());
        }
        Ok(())
    }

    /// Syncs a vendor. Concurrent calls share a sync.
    pub(crate) async fn sync(&self, vendor_id: &VendorId) -> Result<FinishedSync, Problem> {
        let feed = match self.by_id.get(vendor_id) {
            Some(Some(feed)) => feed,
            Some(None) => {
                return Err(Problem::not_found(
                    "this vendor has no feed; its stock is entered manually",
                ));
            }
            None if self.pushed.contains(vendor_id) => {
                return Err(Problem::not_found(
                    "this vendor pushes its reports; there is no source to request one from",
                ));
            }
            None => return Err(Problem::not_found("vendor not found")),
        };
        let run = || async {
            let synced = self.sync.sync_on_demand(feed.source.as_ref());
            let span = info_span!("sync", vendor.id = %vendor_id);
            synced.instrument(span).await.map_err(Problem::from)
        };
        feed.syncs.run(run).await
    }

    /// Begins to receive a report that a vendor pushes.
    pub(crate) async fn begin_push(&self, vendor_id: &VendorId) -> Result<Push, Problem> {
        let push = self.pushed.begin(vendor_id).await?;
        push.ok_or_else(|| {
            Problem::not_found(if self.by_id.contains_key(vendor_id) {
                "this vendor does not push its reports (vendors.source.type is not \"push\")"
            } else {
                "vendor not found"
            })
        })
    }

    /// Accepts or discards a vendor's quarantined report, also if the caller is dropped.
    pub(crate) async fn resolve_quarantine(
        &self,
        vendor_id: &VendorId,
        decision: QuarantineDecision,
    ) -> Result<FinishedSync, Problem> {
        let max_age = if let Some(feed) = self.by_id.get(vendor_id) {
            feed.as_ref().and_then(|feed| feed.source.max_age())
        } else if let Some(pushed) = self.pushed.get(vendor_id) {
            pushed.feed.max_age()
        } else {
            return Err(Problem::not_found("vendor not found"));
        };
        let (sync, vendor_id) = (self.sync.clone(), vendor_id.clone());
        let resolved = self.detached.run(async move {
            let resolved = sync.resolve_quarantine(&vendor_id, decision, max_age);
            resolved.await.map_err(Problem::from)
        });
        resolved
            .await?
            .ok_or_else(|| Problem::not_found("this vendor has no quarantined report"))
    }
}
