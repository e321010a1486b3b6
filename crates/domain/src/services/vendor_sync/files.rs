//! The files of reports: what is done with them once their report was applied, and modification times that are wrong.

use std::time::Duration;

use tracing::warn;

use super::VendorSync;
use super::progress::Progress;
use crate::identifiers::VendorId;
use crate::ports::{FinishedSync, StoreError, SyncOutcome, VendorFeed};
use crate::retry;
use crate::run::with_note;
use crate::services::stock_locks::MAX_LOCK_WAIT;
use crate::timestamp::MAX_UTC_OFFSET;

/// Local times differ from UTC by whole quarter hours.
const QUARTER_HOUR: Duration = Duration::from_mins(15);

impl VendorSync {
    /// Deletes or moves the file of a report, if the settings say so. The end of the report is recorded before: a process that
    /// ends in between reads the same file again, which changes nothing. A failure is logged and added to the run, and the
    /// sync has succeeded.
    pub(super) async fn finish_file(
        &self,
        feed: &dyn VendorFeed,
        progress: &Progress,
        finished: &mut FinishedSync,
    ) {
        let is_done = match finished.outcome {
            // A report that was not applied to some products is read again.
            SyncOutcome::Applied => finished.error.is_none(),
            SyncOutcome::Stale => true,
            // A report in quarantine, and one that is refused, stay for an operator.
            _ => false,
        };
        let Some(file) = progress.read_file.as_ref().filter(|_| is_done) else {
            return;
        };
        let Err(problem) = feed.finish_file(file).await else {
            return;
        };
        let vendor_id = feed.vendor_id();
        warn!(vendor.id = %vendor_id, %problem, "the file of a report is left where it is; the next sync reads it again, and changes nothing");
        let add = || self.add_note(vendor_id, finished, &problem);
        if let Err(error) = retry::on_conflict(&self.clock, add).await {
            warn!(vendor.id = %vendor_id, %error, "the run does not state why the file is left");
        }
        finished.error = Some(with_note(finished.error.take(), &problem));
    }

    async fn add_note(
        &self,
        vendor_id: &VendorId,
        finished: &FinishedSync,
        note: &str,
    ) -> Result<(), StoreError> {
        let mut work = self.store.begin().await?;
        work.limit_lock_waits(MAX_LOCK_WAIT).await?;
        if work.lock_vendor(vendor_id).await?.is_none() {
            return Ok(());
        }
        work.add_note(vendor_id, finished.finished_at, note).await?;
        work.commit().await
    }
}

/// Warns of a modification time that is later than its file was seen by `ahead`.
pub(super) fn warn_of_file_time(vendor_id: &VendorId, ahead: Duration) {
    let ahead_s = ahead.as_secs();
    if let Some(offset) = offset(ahead) {
        warn!(
            vendor.id = %vendor_id,
            ahead_s,
            offset,
            "the modification time of the vendor's file is in the future, so the file proves nothing and shipped units stay in \
             flight: if the server states local time, set source.time_zone (type ftps) to a zone with this offset from UTC; \
             otherwise its clock is wrong"
        );
    } else {
        warn!(
            vendor.id = %vendor_id,
            ahead_s,
            "the modification time of the vendor's file is in the future, so the file proves nothing and shipped units stay in \
             flight: the server's clock, or the time of the file, is wrong"
        );
    }
}

/// The offset from UTC of a server whose local time is `ahead` of UTC by about this, or by up to a quarter hour more: a file is
/// seen some time after it was written. `None` if no zone has it.
fn offset(ahead: Duration) -> Option<String> {
    // Clocks differ by less than a minute.
    let quarters = ahead
        .saturating_sub(Duration::from_mins(1))
        .as_secs()
        .div_ceil(QUARTER_HOUR.as_secs());
    let minutes = quarters * 15;
    (minutes <= MAX_UTC_OFFSET.as_secs() / 60)
        .then(|| format!("+{:02}:{:02}", minutes / 60, minutes % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_is_a_whole_number_of_quarter_hours() {
        for (ahead_s, expected) in [
            (61, Some("+00:15")),
            (3_600, Some("+01:00")),
            (3_659, Some("+01:00")),
            (7_100, Some("+02:00")),
            (7_200, Some("+02:00")),
            (20_690, Some("+05:45")),
            (50_400, Some("+14:00")),
            (50_520, None),
        ] {
            let found = offset(Duration::from_secs(ahead_s));
            assert_eq!(found.as_deref(), expected, "{ahead_s}");
        }
    }
}
