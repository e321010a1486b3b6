//! Requests with a condition, and the end of a sync whose vendor states that its report has not changed.
//!
//! Such a response has no report to apply, so it must mean what the same report would: it changes no stock, and proves nothing
//! that the applied report has not proven. Therefore a condition is sent only in a state in which the application of the same
//! report would change nothing but the history.

use std::time::Duration;

use super::pauses::FetchOutcome;
use super::progress::{Ended, Progress};
use super::{SyncError, VendorSync};
use crate::evidence::Proof;
use crate::identifiers::VendorId;
use crate::ports::{FeedError, LockedVendor, StoreError, SyncOutcome, VendorFeed, VendorSyncState};
use crate::report_history::ReportHistory;
use crate::timestamp::Timestamp;
use crate::validators::Validators;

/// Time after which a report is read again although its source states that it has not changed. It bounds the harm of a server
/// that repeats a validator for another content.
const FULL_READ_INTERVAL: Duration = Duration::from_hours(24);

/// Why the response of a vendor that was switched off since the request does not count: its stock is no longer there.
const SWITCHED_ON: &str = "the vendor was removed and added again during the request";

/// The applied report that a request refers to, and the state in which the request was sent.
pub(super) struct Condition {
    validators: Validators,
    proof: Proof,
    revision: u64,
    configured_at: Option<Timestamp>,
}

/// The statement of a vendor that its report has not changed.
pub(super) struct Unchanged {
    pub(super) condition: Condition,
    pub(super) requested_at: Timestamp,
    pub(super) clock_skew_ms: Option<i64>,
}

impl Condition {
    /// Returns the condition that may be sent in this state, if any.
    fn new(state: &VendorSyncState, max_age: Option<Duration>) -> Option<Self> {
        let history = &state.history;
        let validators = history.validators.clone()?;
        let proof = history.proof?;
        let requested_at = history.full?.requested_at;
        let is_repaired = history.clone().remove_future_entries(state.now);
        // A vendor that was switched on again has no stock until a report is applied.
        let is_of_before = state.configured_at.is_some_and(|at| requested_at < at);
        let is_expired = max_age.is_some_and(|max_age| history.is_older_than(max_age, state.now));
        let is_due = state.now.since(requested_at) >= FULL_READ_INTERVAL;
        let must_read = history.quarantined.is_some()
            || is_repaired
            || state.has_future_shipments
            || state.has_unmarked_shipments
            || is_of_before
            || is_expired
            || is_due;
        (!must_read).then_some(Self {
            validators,
            proof,
            revision: history.revision,
            configured_at: state.configured_at,
        })
    }

    pub(super) fn validators(&self) -> &Validators {
        &self.validators
    }
}

impl VendorSync {
    /// Returns the condition of the next request to a vendor; `None` if its report must be read.
    pub(super) async fn condition(
        &self,
        feed: &dyn VendorFeed,
    ) -> Result<Option<Condition>, StoreError> {
        if !feed.is_conditional() {
            return Ok(None);
        }
        let state = self.queries.find_sync_state(feed.vendor_id()).await?;
        Ok(state.and_then(|state| Condition::new(&state, feed.max_age())))
    }

    /// Records that the vendor's report is still the one that was applied last. This counts as a success for the vendor's
    /// pause. If another sync applied a report meanwhile, the history is left as it is. Returns the end of the sync, and what
    /// the report has proven.
    pub(super) async fn end_not_modified(
        &self,
        vendor_id: &VendorId,
        unchanged: &Unchanged,
        progress: &mut Progress,
    ) -> Result<(Ended, Proof), SyncError> {
        let Unchanged {
            condition,
            requested_at,
            clock_skew_ms,
        } = unchanged;
        progress.details.proven = condition.proof.ok();
        let record = progress.record(self.clock.now(), SyncOutcome::NotModified, 0, None);
        let change = |locked: LockedVendor| {
            if locked.configured_at != condition.configured_at {
                return Err(StoreError::Failed(SWITCHED_ON.into()));
            }
            let mut history = locked.history;
            history.confirm_unchanged(*requested_at, *clock_skew_ms);
            Ok((history.revision == condition.revision).then_some(history))
        };
        let ended = self.record_end(vendor_id, &record, FetchOutcome::Succeeded, change);
        let ended = ended.await?;
        let ended = ended.ok_or_else(|| SyncError::NotConfigured(vendor_id.clone()))?;
        Ok((ended, condition.proof))
    }
}

/// The error of a feed that states without a condition that its report has not changed.
pub(super) fn unconditional(vendor_id: &VendorId) -> SyncError {
    let problem = "the feed returned no report upon a request without a condition";
    SyncError::Feed {
        vendor_id: vendor_id.clone(),
        source: FeedError::Unavailable(problem.to_owned()),
    }
}

/// The history of a vendor after a sync that read no report, if that changes it: the version of a file that was found is known
/// from then on (its modification time, and when it was seen), and after a refused report the next one is read in any case.
pub(super) fn after_unread_report(
    locked: LockedVendor,
    is_refused: bool,
    file_seen: Option<(Timestamp, Timestamp)>,
) -> Option<ReportHistory> {
    let mut history = locked.history;
    let is_removed = is_refused && history.validators.take().is_some();
    let is_added =
        file_seen.is_some_and(|(modified, seen_at)| history.add_unread_file(modified, seen_at));
    (is_removed || is_added).then_some(history)
}

#[cfg(test)]
mod tests;
