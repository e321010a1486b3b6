//! A vendor with a warehouse, and the files, caches and replicas between the warehouse and a reader of its counts.

use std::time::Duration;

use domain::evidence::ResponseTimes;
use domain::identifiers::ProductId;
use domain::ports::FetchedReport;
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::timestamp::Timestamp;
use strum::VariantArray;

use super::{CACHED_FOR, SECOND};

/// The path of a vendor's count to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(super) enum Source {
    /// Counted at the request; the response has only `Date`.
    Live,
    /// A file that is written now and then, served with `Last-Modified` and a new `Date`.
    File,
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
    pub(super) cached: Option<Count>,
    /// Every change of the warehouse, for a replica.
    pub(super) history: Vec<Count>,
    pub(super) responses: Vec<FetchedReport>,
}

impl Vendor {
    /// Adds units of a product, or removes them if negative.
    pub(super) fn change(&mut self, now: i64, product: usize, units: i64) {
        let before = &mut self.warehouse[product];
        *before = u32::try_from(i64::from(*before) + units).unwrap();
        let units = self.warehouse;
        self.history.push(Count { units, at: now });
    }

    pub(super) fn write(&mut self, now: i64) {
        let units = self.warehouse;
        self.written = Count { units, at: now };
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
                times.last_modified = date(self.written.at + self.skew);
                self.written
            }
            Source::Document | Source::LocalTime => {
                let local = if self.source == Source::LocalTime {
                    7_200 * SECOND
                } else {
                    0
                };
                as_of = Some(Timestamp::from_micros(self.written.at + self.skew + local));
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
        };
        self.responses.push(response.clone());
        response
    }
}
