//! A vendor with a warehouse, and the files, caches and replicas between the warehouse and a reader of its counts.

use std::time::Duration;

use async_trait::async_trait;
use domain::evidence::ResponseTimes;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{FeedError, FetchedReport, VendorFeed};
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::timestamp::Timestamp;
use strum::VariantArray;

use super::{CACHED_FOR, SECOND, START};

/// The path of a vendor's count to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(super) enum Source {
    /// Counted at the request; the response has only `Date`.
    Live,
    /// A file that is written now and then, served with `Last-Modified` and a new `Date`.
    File,
    /// A file that is written now and then, in a directory of a server with the right time.
    Directory,
    /// A file on a server whose clock may be wrong by an hour. A sync finds it, unfinished, as soon as it is written.
    SeenFile,
    /// A document that is written now and then, with an as-of.
    Document,
    /// A document whose as-of is local time written as UTC: two hours ahead.
    LocalTime,
    /// A cache with `Age` and the origin's `Date`.
    CacheKeepsDate,
    /// A cache with `Age` and a new `Date`.
    CacheRenewsDate,
    /// A cache without `Age`, with a new `Date` and the origin's `max-age`.
    CacheWithoutAge,
    /// A replica that lags by up to the setting `lag`, with a new `Date`.
    Replica,
    /// A response without any time.
    Timeless,
}

/// Time by which a wrong time is in the future: longer than any sequence of steps takes.
const AHEAD: i64 = 24 * 3_600 * SECOND;

/// The vendor's products.
pub(super) const PRODUCTS: [&str; 3] = ["p", "q", "r"];

/// Units of each product.
pub(super) type Units = [u32; PRODUCTS.len()];

/// A count, and its time in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) units: Units,
    pub(super) at: i64,
}

pub(super) struct Vendor {
    pub(super) source: Source,
    pub(super) kind: ReportKind,
    /// The vendor's clock minus the store's, in microseconds.
    pub(super) skew: i64,
    pub(super) warehouse: Units,
    pub(super) written: Count,
    /// Time by which `written` states to be later than it is, in microseconds.
    pub(super) ahead: i64,
    pub(super) cached: Option<Count>,
    /// Every change of the warehouse, for a replica.
    pub(super) history: Vec<Count>,
    pub(super) responses: Vec<FetchedReport>,
}

impl Vendor {
    /// A vendor that has written these units at the start of the test.
    pub(super) fn new(source: Source, kind: ReportKind, skew: i64, units: Units) -> Self {
        let first = Count { units, at: START };
        Self {
            source,
            kind,
            skew,
            warehouse: units,
            written: first,
            ahead: 0,
            cached: None,
            history: vec![first],
            responses: Vec::new(),
        }
    }

    /// Adds units of a product, or removes them if negative.
    pub(super) fn change(&mut self, now: i64, product: usize, units: i64) {
        let before = &mut self.warehouse[product];
        *before = u32::try_from(i64::from(*before) + units).unwrap();
        let units = self.warehouse;
        self.history.push(Count { units, at: now });
    }

    pub(super) fn write(&mut self, now: i64) {
        self.written = self.count_now(now);
        self.ahead = 0;
    }

    /// Writes a time that is far in the future, unless the vendor states a wrong local time anyway.
    pub(super) fn write_ahead(&mut self, now: i64) {
        self.write(now);
        if self.states_times() {
            self.ahead = AHEAD;
        }
    }

    /// Whether the source is a file or a document with the right time.
    fn states_times(&self) -> bool {
        matches!(
            self.source,
            Source::File | Source::Directory | Source::Document
        )
    }

    pub(super) fn count_now(&self, now: i64) -> Count {
        Count {
            units: self.warehouse,
            at: now,
        }
    }

    fn through_cache(&mut self, now: i64) -> Count {
        let fresh = self.count_now(now);
        let kept = self.cached.filter(|cached| now - cached.at < CACHED_FOR);
        *self.cached.insert(kept.unwrap_or(fresh))
    }

    /// The modification time of the file of a server.
    pub(super) fn file_time(&self) -> Timestamp {
        Timestamp::from_micros(self.written.at + 60 * self.skew).start_of_second()
    }

    /// Returns the vendor's response at this time.
    pub(super) fn respond(&mut self, now: i64) -> FetchedReport {
        let clock = now + self.skew;
        // HTTP dates have a resolution of one second.
        let date = |micros: i64| Some(Timestamp::from_micros(micros).start_of_second());
        let seconds = |micros: i64| Some(Duration::from_secs((micros / SECOND).unsigned_abs()));
        let mut as_of = None;
        let mut times = ResponseTimes {
            date: date(clock),
            ..ResponseTimes::default()
        };
        let count = match self.source {
            Source::Live => self.count_now(now),
            Source::File => {
                times.last_modified = date(self.written.at + self.ahead + self.skew);
                self.written
            }
            Source::Directory => {
                times.date = None;
                times.is_file_time = true;
                times.last_modified = date(self.written.at + self.ahead);
                self.written
            }
            Source::SeenFile => {
                times = ResponseTimes {
                    last_modified: Some(self.file_time()),
                    is_file_time: true,
                    ..ResponseTimes::default()
                };
                self.written
            }
            Source::Document | Source::LocalTime => {
                let local = if self.source == Source::LocalTime {
                    7_200 * SECOND
                } else {
                    0
                };
                let stated = self.written.at + self.ahead + self.skew + local;
                as_of = Some(Timestamp::from_micros(stated));
                self.written
            }
            Source::CacheKeepsDate | Source::CacheRenewsDate => {
                let count = self.through_cache(now);
                // Rounded up, as by a cache that has measured the delay.
                times.age = seconds(now - count.at + SECOND - 1);
                if self.source == Source::CacheKeepsDate {
                    times.date = date(count.at + self.skew);
                }
                count
            }
            Source::CacheWithoutAge => {
                times.freshness = seconds(CACHED_FOR);
                times.date = date(now);
                self.through_cache(now)
            }
            Source::Replica => {
                times.date = date(now);
                let known = self.history.iter().rev();
                let mut known = known.skip_while(|count| count.at > now - CACHED_FOR / 2);
                *known.next().unwrap_or(&self.history[0])
            }
            Source::Timeless => {
                times.date = None;
                self.written
            }
        };
        let counted = PRODUCTS.into_iter().zip(count.units);
        let counted = counted.map(|(id, units)| (ProductId::parse(id).unwrap(), units.into()));
        // An additional product ensures that no report is empty.
        let lines = counted.chain([(ProductId::parse("s").unwrap(), 1)]);
        let report = Report::parse(self.kind, as_of, lines).unwrap();
        let response = FetchedReport {
            report,
            times,
            size: ReportSize::default(),
            file: None,
            read_file: None,
        };
        self.responses.push(response.clone());
        response
    }
}

/// Finds a file with this modification time, which is not finished.
pub(super) struct UnfinishedFile(pub(super) VendorId, pub(super) Timestamp);

#[async_trait]
impl VendorFeed for UnfinishedFile {
    fn vendor_id(&self) -> &VendorId {
        &self.0
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        Err(FeedError::OfFile {
            modified: self.1,
            error: Box::new(FeedError::NotReady("the file still grows".to_owned())),
        })
    }
}
