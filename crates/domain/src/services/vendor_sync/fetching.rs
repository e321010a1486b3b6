//! The request for a report, and what its response says of its time.

use std::time::Duration;

use super::not_modified::{Condition, Unchanged, unconditional};
use super::progress::Progress;
use super::{SyncError, VendorSync};
use crate::evidence::{Assessment, Exchange, assess};
use crate::ports::{FeedError, Fetched, FetchedReport, VendorFeed};
use crate::timestamp::Timestamp;
use crate::validators::Validators;

/// The vendor's response to a request.
pub(super) enum Response {
    Report(Box<Incoming>),
    /// The report is the one that was applied last.
    NotModified(Box<Unchanged>),
}

/// A report that was received.
pub(super) struct Incoming {
    pub(super) fetched: FetchedReport,
    pub(super) assessment: Assessment,
    pub(super) validators: Option<Validators>,
}

impl VendorSync {
    /// Requests the report and assesses its times.
    pub(super) async fn fetch(
        &self,
        feed: &dyn VendorFeed,
        requested_at: Timestamp,
        progress: &mut Progress,
    ) -> Result<Response, SyncError> {
        let condition = self.condition(feed).await?;
        let known = condition.as_ref().map(Condition::validators);
        let fetched = feed.fetch_changed(known).await.map_err(|error| {
            let (source, modified) = error.split_file_time();
            progress.file_seen = modified.map(|modified| (modified, requested_at));
            if let FeedError::Malformed(malformed) = &source {
                progress.details.size = malformed.size;
                progress.details.file.clone_from(&malformed.file);
                progress.details.refused = malformed.refused.clone();
            }
            SyncError::Feed {
                vendor_id: feed.vendor_id().clone(),
                source,
            }
        })?;
        let modified = match &fetched {
            Fetched::Report(report, _) if report.times.is_file_time => report.times.last_modified,
            _ => None,
        };
        progress.file_seen = modified.map(|modified| (modified, requested_at));
        let exchange = Exchange {
            requested_at,
            received_at: self.probe.store_time().await?,
        };
        let (mut fetched, validators) = match fetched {
            Fetched::Report(report, validators) => (*report, validators),
            Fetched::NotModified(times) => {
                return Ok(Response::NotModified(Box::new(Unchanged {
                    condition: condition.ok_or_else(|| unconditional(feed.vendor_id()))?,
                    requested_at,
                    clock_skew_ms: assess(None, &times, exchange).clock_skew_ms,
                })));
            }
        };
        progress.details.size = fetched.size;
        progress.details.file.clone_from(&fetched.file);
        progress.read_file = fetched.read_file.take();
        progress.file_ahead = modified.map_or(Duration::ZERO, |at| exchange.file_time_ahead(at));
        let assessment = assess(fetched.report.as_of(), &fetched.times, exchange);
        Ok(Response::Report(Box::new(Incoming {
            fetched,
            assessment,
            validators,
        })))
    }
}
