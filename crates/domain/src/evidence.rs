//! Computes what a report proves from the times of its response: the instant up to which the vendor's count includes
//! shipments.
//!
//! Two instants are kept apart. The *order* of a report decides which of two reports is newer. The *effective as-of* proves
//! which shipments are included: it is the minimum of every upper bound on the time of the count, because static files,
//! caches and replicas send old counts with a new `Date`. All functions here are pure;
//! [`report_history`](crate::report_history) keeps the claims of earlier reports.

use std::time::Duration;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::timestamp::Timestamp;

/// An `Age` that cannot be read, or that is at least this large, is treated as this value: the response is too old to prove
/// anything (RFC 9111, section 1.2.2).
pub const MAX_AGE: Duration = Duration::from_secs(1 << 31);

/// A `Date` that is later than the store's clock by more than this is considered wrong, not skewed.
const MAX_CLOCK_SKEW: Duration = Duration::from_hours(24);

const SECOND: Duration = Duration::from_secs(1);

/// A modification time of a file that is later than the file was seen by more than this shows a wrong clock, and proves nothing.
const MAX_FILE_TIME_AHEAD: Duration = Duration::from_mins(1);

/// The most reliable time of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Evidence {
    /// The document states its own as-of.
    Document,
    /// `Last-Modified` of the response.
    LastModified,
    /// The response has only `Date` and `Age`.
    Date,
    /// The modification time of a file that was not read over HTTP.
    FileTime,
}

impl Evidence {
    /// All variants, in the order of their declaration.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The evidence on the wire and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The reason why a report proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum NoEvidence {
    /// The document's as-of is later than the response that carries it.
    DocumentInFuture,
    /// `Last-Modified` is later than the response.
    LastModifiedInFuture,
    /// `Last-Modified` cannot be read.
    UnusableLastModified,
    /// The modification time of a file that was not read over HTTP is later than the moment at which it was read.
    FileTimeInFuture,
    /// The modification time of a file that was not read over HTTP cannot be read.
    UnusableFileTime,
    /// The response has no readable time.
    NoTime,
    /// `Date` is before 1970 or more than a day ahead.
    UnusableDate,
    /// `Age` is too large or cannot be read.
    UnusableAge,
    /// The times of the response add up to an instant before 1970.
    TooOld,
    /// The same report proved nothing when it was first read.
    SeenUnproven,
}

impl NoEvidence {
    /// The reason in one sentence, for operators.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::DocumentInFuture => "the document's as-of is in the future",
            Self::LastModifiedInFuture => "Last-Modified is in the future",
            Self::UnusableLastModified => "Last-Modified cannot be read",
            Self::FileTimeInFuture => "the modification time of the file is in the future",
            Self::UnusableFileTime => "the modification time of the file cannot be read",
            Self::NoTime => {
                "the report has no readable as-of or Last-Modified, and no Date of a response"
            }
            Self::UnusableDate => "Date is before 1970 or more than a day in the future",
            Self::UnusableAge => "Age cannot be read or is 2^31 seconds or more",
            Self::TooOld => "the times of the report add up to an instant before 1970",
            Self::SeenUnproven => "the same report proved nothing when it was first read",
        }
    }
}

/// The effective as-of of a report, and the evidence for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// Shipments before this instant are included in the report's counts.
    pub as_of: Timestamp,
    /// The most reliable time of the report.
    pub evidence: Evidence,
}

/// The effective as-of of a report, or the reason why it proves nothing.
pub type Proof = Result<Proven, NoEvidence>;

/// The times of a response's header fields. The as-of of its document is not included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseTimes {
    /// `Last-Modified`.
    pub last_modified: Option<Timestamp>,
    /// Whether there is a `Last-Modified` that cannot be read. Its time is unknown.
    pub is_last_modified_unusable: bool,
    /// Whether `last_modified` is the modification time of a file that was not read over HTTP.
    pub is_file_time: bool,
    /// `ETag`, as it was sent.
    pub etag: Option<String>,
    /// `Date`.
    pub date: Option<Timestamp>,
    /// `Age`; [`MAX_AGE`] if it is larger or cannot be read.
    pub age: Option<Duration>,
    /// The time for which the response allows caches to reuse it: `s-maxage`, `max-age` or `Expires`.
    pub freshness: Option<Duration>,
}

/// The times of the request and of the response, by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The instant before the request was sent.
    pub requested_at: Timestamp,
    /// The instant after the response was read.
    pub received_at: Timestamp,
}

impl Exchange {
    /// The modification time of a file that was first seen now; `None` if it shows a wrong clock.
    fn file_time(self, modified: Timestamp) -> Option<Timestamp> {
        self.file_time_ahead(modified).is_zero().then_some(modified)
    }

    /// The time by which a modification time of a file is later than the file was seen; zero unless it shows a wrong clock.
    #[must_use]
    pub fn file_time_ahead(self, modified: Timestamp) -> Duration {
        let ahead = modified.since(self.received_at);
        if ahead > MAX_FILE_TIME_AHEAD {
            ahead
        } else {
            Duration::ZERO
        }
    }
}

/// Assesses a file that was seen at `seen_at`, and of which no report was read. A report of the same version that is read later
/// is no newer.
#[must_use]
pub fn assess_unread_file(modified: Timestamp, seen_at: Timestamp) -> Assessment {
    let times = ResponseTimes {
        last_modified: Some(modified),
        is_file_time: true,
        ..ResponseTimes::default()
    };
    let exchange = Exchange {
        requested_at: seen_at,
        received_at: seen_at,
    };
    assess(None, &times, exchange)
}

/// The order of a report among the reports of its vendor: by claimed as-of, then by request time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportOrder {
    /// The claimed as-of, corrected for clock skew and never later than the request.
    pub as_of: Timestamp,
    /// When the report was requested.
    pub requested_at: Timestamp,
}

/// Identifies the state of the stock that a report shows. Two reports with the same claim show the same count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The document's own as-of, uncorrected.
    Document(Timestamp),
    /// `Last-Modified`, uncorrected, and the `ETag`: for a file whose time is in the future, some servers (Apache) renew
    /// `Last-Modified` with each response and keep the `ETag`.
    LastModified(Timestamp, Option<String>),
    /// `ETag`, of a response without an as-of or a `Last-Modified`.
    ETag(String),
}

/// The result of assessing the times of one response, without regard to earlier responses and to the vendor's lag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The order of the report among the vendor's reports.
    pub order: ReportOrder,
    /// The claim of the report, if it has one.
    pub claim: Option<Claim>,
    /// The version of the file that a document with an own as-of was read from.
    pub file: Option<Claim>,
    /// The effective as-of, or the reason why there is none.
    pub proof: Proof,
    /// The vendor's clock minus the store's, in milliseconds; `None` without a `Date`.
    pub clock_skew_ms: Option<i64>,
}

/// Assesses a report that states `document` as its own as-of.
#[must_use]
pub fn assess(
    document: Option<Timestamp>,
    times: &ResponseTimes,
    exchange: Exchange,
) -> Assessment {
    let clocks = Clocks::new(times, exchange);
    let claim = match (document, times.last_modified, &times.etag) {
        (Some(as_of), _, _) => Some(Claim::Document(as_of)),
        (None, Some(modified), etag) => Some(Claim::LastModified(modified, etag.clone())),
        (None, None, Some(etag)) => Some(Claim::ETag(etag.clone())),
        (None, None, None) => None,
    };
    let file = times
        .last_modified
        .filter(|_| document.is_some() && times.is_file_time);
    let requested_at = exchange.requested_at;
    let order = |as_of: Option<Timestamp>| ReportOrder {
        as_of: as_of.map_or(requested_at, |as_of| as_of.min(requested_at)),
        requested_at,
    };
    // Some servers (aiohttp) round `Last-Modified` up to the next second, so the count may be a second older.
    let rounded = times
        .last_modified
        .and_then(|at| clocks.in_store_time(at.minus(SECOND)));
    // A `Last-Modified` that equals the time of the response is not more reliable than `Date`.
    let modified = times.last_modified.filter(|at| !clocks.is_sent_at(*at));
    let (ordered_as_of, proof) = match (document, modified) {
        (Some(document), _) => {
            let document = clocks.in_store_time(document);
            let proof = document
                .ok_or(NoEvidence::DocumentInFuture)
                .map(|as_of| (as_of, Evidence::Document));
            (document, proof)
        }
        (None, Some(modified)) => {
            let (modified, evidence, in_future) = if times.is_file_time {
                let modified = exchange.file_time(modified);
                (modified, Evidence::FileTime, NoEvidence::FileTimeInFuture)
            } else {
                let modified = clocks.in_store_time(modified);
                let in_future = NoEvidence::LastModifiedInFuture;
                (modified, Evidence::LastModified, in_future)
            };
            let proof = modified.ok_or(in_future).map(|as_of| (as_of, evidence));
            (modified, proof)
        }
        (None, None) => {
            let fresh = times.freshness.unwrap_or_default();
            let proof = clocks
                .generated_at()
                .map(|as_of| (as_of.minus(fresh), Evidence::Date))
                .map_err(|reason| {
                    if times.is_file_time {
                        NoEvidence::UnusableFileTime
                    } else {
                        reason
                    }
                });
            // A `Date` has a resolution of one second: within a second, the request time decides.
            let ordered = clocks
                .date
                .map(|date| clocks.generated_at().unwrap_or(date));
            let ordered = ordered.map(|as_of| as_of.min(requested_at).start_of_second());
            (ordered, proof)
        }
    };
    let proof = proof.and_then(|(as_of, evidence)| {
        let generated_at = clocks.generated_at().unwrap_or(requested_at);
        let as_of = as_of.min(requested_at).min(generated_at);
        let as_of = rounded.map_or(as_of, |rounded| as_of.min(rounded));
        if evidence != Evidence::Document && times.is_last_modified_unusable {
            return Err(NoEvidence::UnusableLastModified);
        }
        // A time with a resolution of one second counts as the start of that second.
        let as_of = match evidence {
            Evidence::Date => as_of.start_of_second(),
            _ => as_of,
        };
        if as_of < Timestamp::EPOCH {
            return Err(NoEvidence::TooOld);
        }
        Ok(Proven { as_of, evidence })
    });
    Assessment {
        order: order(ordered_as_of),
        claim,
        file: file.map(|modified| Claim::LastModified(modified, None)),
        proof,
        clock_skew_ms: clocks.skew_ms(),
    }
}

/// The vendor's clock compared with the store's.
struct Clocks {
    exchange: Exchange,
    /// `Date`, if it is usable.
    date: Option<Timestamp>,
    age: Duration,
    /// The reason why `date` is `None`.
    no_date: NoEvidence,
}

impl Clocks {
    fn new(times: &ResponseTimes, exchange: Exchange) -> Self {
        let latest = exchange.received_at.plus(MAX_CLOCK_SKEW);
        let date = times
            .date
            .filter(|date| (Timestamp::EPOCH..=latest).contains(date));
        Self {
            exchange,
            date,
            age: times.age.unwrap_or_default(),
            no_date: match times.date {
                Some(_) => NoEvidence::UnusableDate,
                None => NoEvidence::NoTime,
            },
        }
    }

    /// The latest instant at which the origin can have generated the response. An `Age` is subtracted once: some caches keep
    /// the origin's `Date` and add an `Age`, others send a new `Date` with it.
    fn generated_at(&self) -> Result<Timestamp, NoEvidence> {
        let date = self.date.ok_or(self.no_date)?;
        if self.age >= MAX_AGE {
            return Err(NoEvidence::UnusableAge);
        }
        // RFC 9111, section 4.2.3: the age was correct when the response was sent, which is not earlier than the request.
        Ok(match self.age {
            Duration::ZERO => date,
            age => date.min(self.exchange.requested_at.minus(age)),
        })
    }

    /// The maximum amount by which the vendor's clock can be ahead: its `Date` has a resolution of one second, and was
    /// written not earlier than the request.
    fn at_most_ahead(&self, date: Timestamp) -> Duration {
        date.plus(SECOND).since(self.exchange.requested_at)
    }

    /// Whether `Last-Modified` equals the time of the response: that of its `Date`, or the next second where a server rounds
    /// up.
    fn is_sent_at(&self, modified: Timestamp) -> bool {
        self.date
            .is_some_and(|date| (date..=date.plus(SECOND)).contains(&modified))
    }

    /// Converts a time of the vendor's clock to the store's clock; it is moved towards the past only. `None` if the result
    /// is in the future.
    fn in_store_time(&self, time: Timestamp) -> Option<Timestamp> {
        let Exchange {
            requested_at,
            received_at,
        } = self.exchange;
        let corrected = match self.date {
            // The clock is ahead, or the response was slow; the earlier instant is safe.
            Some(date) if date > requested_at => time.minus(self.at_most_ahead(date)),
            // The clock is ahead by less than `Date` shows: the vendor's own clock had reached the time when it sent the
            // response.
            Some(date) if time > received_at && time < date.plus(SECOND) => {
                time.minus(self.at_most_ahead(date))
            }
            _ => time,
        };
        (corrected <= received_at).then_some(corrected)
    }

    /// The skew to report. If the clock is behind, the age of a cached response and the fraction of a second that `Date`
    /// leaves out are subtracted.
    fn skew_ms(&self) -> Option<i64> {
        let date = self.date?;
        let Exchange {
            requested_at,
            received_at,
        } = self.exchange;
        let ahead = date.since(received_at);
        let behind = requested_at.since(date.plus(SECOND).plus(self.age));
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Some(millis(ahead) - millis(behind))
    }
}

#[cfg(test)]
mod tests;
