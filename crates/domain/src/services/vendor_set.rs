//! Applies the set of configured vendors.

use std::sync::Arc;

use thiserror::Error;

use crate::identifiers::VendorId;
use crate::ports::{
    Clock, NoopNotifier, Notifier, OtherVendors, Store, StoreError, StoredVendorSet, Topic,
    UnitOfWork, VendorSetQueries,
};
use crate::retry::{self, AsStoreError};
use crate::stock::StockChange;
use crate::vendor_set::{ConfiguredVendor, SetMember, VendorSet, recount};

/// The relation of a process's vendor set to the one in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetStatus {
    /// The set is the current one.
    Current,
    /// The set was applied earlier and then replaced by another one. It is brought back only on purpose.
    Superseded,
}

/// The result of applying a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedSet {
    /// The relation of the set to the current one.
    pub status: SetStatus,
    /// Whether this call made the set the current one.
    pub applied: bool,
    /// The configured vendors, by id.
    pub configured: Vec<SetMember>,
}

/// The reason why a set was not applied. Nothing was changed.
#[derive(Debug, Error)]
pub enum VendorSetError {
    /// A vendor that is new, or whose source changed, has the source of another vendor: the same units would be sold through
    /// both.
    #[error(
        "vendor {vendor_id} has the same source as vendor {owner}, so its stock would be sold twice; if the vendor got \
         another id, stop the workers and run `order-aggregator-admin vendor rename {owner} {vendor_id}` \
         (with `--data FILE` for a data file); two accounts at one URL differ in source.auth"
    )]
    SourceTaken {
        /// The vendor of the set.
        vendor_id: VendorId,
        /// The vendor that has this source in the store.
        owner: VendorId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AsStoreError for VendorSetError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::SourceTaken { .. } => None,
        }
    }
}

/// Applies vendor sets.
#[derive(Clone)]
pub struct VendorSets {
    store: Arc<dyn Store>,
    queries: Arc<dyn VendorSetQueries>,
    clock: Arc<dyn Clock>,
    notifier: Arc<dyn Notifier>,
}

/// The sets that a call may make the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Apply {
    /// Sets that were never applied.
    New,
    /// All sets.
    Any,
}

impl VendorSets {
    /// Creates the use case.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        queries: Arc<dyn VendorSetQueries>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            queries,
            clock,
            notifier: Arc::new(NoopNotifier),
        }
    }

    /// Notifies listeners of changed stock through `notifier`.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = notifier;
        self
    }

    /// Applies the set if it was never applied before. The current set is applied again if one of its vendors is not
    /// configured, and otherwise changes nothing. A superseded set changes nothing.
    ///
    /// # Errors
    /// [`VendorSetError`].
    pub async fn apply_if_new(&self, set: &VendorSet) -> Result<AppliedSet, VendorSetError> {
        self.apply_if(set, Apply::New).await
    }

    /// Applies the set, even if it was superseded.
    ///
    /// # Errors
    /// [`VendorSetError`].
    pub async fn apply(&self, set: &VendorSet) -> Result<AppliedSet, VendorSetError> {
        self.apply_if(set, Apply::Any).await
    }

    /// Checks that no vendor of the set has the source of another vendor in the store, so that a program with wrong settings
    /// can end before it starts to work.
    ///
    /// # Errors
    /// [`VendorSetError`].
    pub async fn check_sources(&self, set: &VendorSet) -> Result<(), VendorSetError> {
        let mut work = self.store.begin().await?;
        refuse_taken_sources(set, &work.vendor_sources().await?)
    }

    /// Adds vendors to the configured ones, and removes none. The current set stays the current one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add(&self, vendors: &[ConfiguredVendor]) -> Result<(), StoreError> {
        retry::on_conflict(&self.clock, || async {
            let mut work = self.store.begin().await?;
            configure(work.as_mut(), vendors, OtherVendors::Keep).await?;
            work.commit().await
        })
        .await?;
        self.notifier.notify(Topic::Changes);
        Ok(())
    }

    async fn apply_if(&self, set: &VendorSet, apply: Apply) -> Result<AppliedSet, VendorSetError> {
        let found = self.queries.find_vendor_set(&set.digest()).await?;
        if let Some(unchanged) = unchanged(set, &found, apply) {
            return Ok(unchanged);
        }
        let others = found.configured;
        let applied =
            retry::on_conflict(&self.clock, || self.apply_once(set, apply, &others)).await?;
        self.notifier.notify(Topic::Changes);
        Ok(applied)
    }

    /// Applies the set in one transaction. `configured` is returned for a set that another process superseded meanwhile.
    async fn apply_once(
        &self,
        set: &VendorSet,
        apply: Apply,
        configured: &[SetMember],
    ) -> Result<AppliedSet, VendorSetError> {
        let digest = set.digest();
        let mut work = self.store.begin().await?;
        let record = work.lock_vendor_sets(&digest).await?;
        let others = if record.is_current {
            // Tools may have added vendors to the current set.
            OtherVendors::Keep
        } else if record.was_applied && apply == Apply::New {
            return Ok(AppliedSet {
                status: SetStatus::Superseded,
                applied: false,
                configured: configured.to_vec(),
            });
        } else {
            work.save_current_set(&digest).await?;
            OtherVendors::SwitchOff
        };
        refuse_taken_sources(set, &work.vendor_sources().await?)?;
        let configured = configure(work.as_mut(), &set.vendors(), others).await?;
        work.commit().await?;
        Ok(AppliedSet {
            status: SetStatus::Current,
            applied: !record.is_current,
            configured,
        })
    }
}

fn refuse_taken_sources(set: &VendorSet, known: &[ConfiguredVendor]) -> Result<(), VendorSetError> {
    match set.find_taken_source(known) {
        None => Ok(()),
        Some((vendor_id, owner)) => Err(VendorSetError::SourceTaken { vendor_id, owner }),
    }
}

/// The result for a set that needs no transaction; `None` if it needs one.
fn unchanged(set: &VendorSet, found: &StoredVendorSet, apply: Apply) -> Option<AppliedSet> {
    let status = if found.record.is_current {
        set.is_part_of(&found.configured)
            .then_some(SetStatus::Current)?
    } else {
        (found.record.was_applied && apply == Apply::New).then_some(SetStatus::Superseded)?
    };
    Some(AppliedSet {
        status,
        applied: false,
        configured: found.configured.clone(),
    })
}

/// Switches vendors on and off, and recomputes the quantities that this changes. Returns the vendors that are configured
/// then.
async fn configure(
    work: &mut dyn UnitOfWork,
    vendors: &[ConfiguredVendor],
    others: OtherVendors,
) -> Result<Vec<SetMember>, StoreError> {
    let switched = work.configure(vendors, others).await?;
    if switched.products.is_empty() {
        return Ok(switched.configured);
    }
    let locked = work.lock_stock(&switched.products).await?;
    let changes: Vec<StockChange> = locked
        .into_iter()
        .map(|product| recount(product, &switched.on))
        .collect();
    work.save_stock(&changes).await?;
    Ok(switched.configured)
}
