//! A vendor that states that its report has not changed, against one that sends the same report again: the same units are
//! reported and in flight, and the same orders are confirmed.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::order::OrderStatus;
use domain::ports::{
    AuditQueries as _, FeedError, Fetched, FetchedReport, SyncOutcome, VendorFeed,
};
use domain::report::ReportKind;
use domain::validators::Validators;
use proptest::prelude::*;
use strum::VariantArray as _;

use super::steps::{Step, steps};
use super::vendor::{PRODUCTS, Source, Units, Vendor};
use super::{Feed, Fixture, SECOND, lag_of};

/// Returns one response; states that it is unchanged if it is the known one.
struct ConditionalFeed<'w>(Feed<'w>);

impl ConditionalFeed<'_> {
    /// Identifies the document of the response, not the time at which it is sent. A response whose `Last-Modified` is later
    /// than its `Date` has no reliable validators, and neither has a file that is not read over HTTP.
    fn validators(&self) -> Option<Validators> {
        let (report, times) = (&self.0.response.report, &self.0.response.times);
        let is_settled = times
            .date
            .is_none_or(|date| times.last_modified <= Some(date));
        let is_reliable = is_settled && !times.is_file_time;
        is_reliable.then(|| Validators {
            scope: "s".to_owned(),
            etag: times.etag.clone(),
            last_modified: report
                .as_of()
                .or(times.last_modified)
                .map(|at| at.to_string()),
        })
    }
}

#[async_trait]
impl VendorFeed for ConditionalFeed<'_> {
    fn vendor_id(&self) -> &VendorId {
        self.0.vendor_id()
    }

    fn lag(&self) -> Duration {
        self.0.lag()
    }

    async fn fetch(&self) -> Result<FetchedReport, FeedError> {
        self.0.fetch().await
    }

    fn is_conditional(&self) -> bool {
        true
    }

    async fn fetch_changed<'k>(&self, known: Option<&'k Validators>) -> Result<Fetched, FeedError> {
        let report = self.fetch().await?;
        let validators = self.validators();
        if known.is_some() && known == validators.as_ref() {
            return Ok(Fetched::NotModified(report.times));
        }
        Ok(Fetched::Report(Box::new(report), validators))
    }
}

/// Two services with the same vendor and the same time.
struct Pair {
    conditional: Fixture,
    plain: Fixture,
    lag: Duration,
}

impl Pair {
    fn now(&self) -> i64 {
        assert_eq!(self.conditional.clock.micros(), self.plain.clock.micros());
        self.plain.clock.micros()
    }

    fn advance(&self, micros: i64) {
        for fixture in [&self.conditional, &self.plain] {
            fixture.clock.advance(micros);
        }
    }

    /// Syncs both with the vendor's response, which has a tag of its content. The process of both ends after this number of
    /// transactions, if there is one.
    async fn sync(&self, vendor: &mut Vendor, interrupt_after: Option<usize>) {
        let mut response = vendor.respond(self.now());
        let content: Vec<u32> = response.report.quantities().values().copied().collect();
        response.times.etag = Some(format!("\"{content:?}\""));
        let feed = ConditionalFeed(self.conditional.feed(response.clone(), self.lag));
        let plain = self.plain.feed(response, self.lag);
        let feeds: [(&Fixture, &dyn VendorFeed); 2] =
            [(&self.conditional, &feed), (&self.plain, &plain)];
        for (fixture, feed) in feeds {
            if let Some(transactions) = interrupt_after {
                fixture.interruptible.interrupt_after(transactions);
            }
            let synced = fixture.sync.sync(feed).await;
            fixture.interruptible.restore();
            assert!(synced.is_ok() || interrupt_after.is_some(), "{synced:?}");
        }
    }

    /// Returns the reported and in-flight units of all products; of the service with conditions first.
    async fn numbers(&self) -> [Vec<(u32, u32)>; 2] {
        let mut both = [Vec::new(), Vec::new()];
        for (fixture, numbers) in [&self.conditional, &self.plain].into_iter().zip(&mut both) {
            for product in 0..PRODUCTS.len() {
                numbers.push(fixture.numbers(product).await);
            }
        }
        both
    }
}

async fn compare(
    source: Source,
    skew: i64,
    units: Units,
    chunk_size: usize,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let pair = Pair {
        conditional: Fixture::open(chunk_size, Guard::default()).await,
        plain: Fixture::open(chunk_size, Guard::default()).await,
        lag: lag_of(source),
    };
    let mut vendor = Vendor::new(source, ReportKind::Full, skew, units);
    let mut confirmed = VecDeque::new();
    pair.sync(&mut vendor, None).await;
    for step in steps {
        match step {
            Step::Sell(product, units) => {
                let sold = pair.conditional.sell(*product, *units).await;
                let plain = pair.plain.sell(*product, *units).await;
                prop_assert_eq!(sold.is_some(), plain.is_some());
                confirmed.extend(sold.zip(plain));
            }
            Step::Ship => {
                if let Some((sold, plain)) = confirmed.pop_front() {
                    vendor.change(pair.now(), sold.product, -i64::from(sold.units));
                    pair.advance(1);
                    for (fixture, id) in [(&pair.conditional, sold.id), (&pair.plain, plain.id)] {
                        let shipped = fixture.status.change(id, OrderStatus::Shipped, |_| true);
                        shipped.await.unwrap();
                    }
                }
            }
            Step::Restock(product, more) => vendor.change(pair.now(), *product, (*more).into()),
            Step::Advance(micros) => pair.advance(*micros),
            Step::Write => vendor.write(pair.now()),
            Step::WriteAhead => vendor.write_ahead(pair.now()),
            Step::InterruptedSync(transactions) => {
                pair.sync(&mut vendor, Some(*transactions)).await;
            }
            // Without a guard nothing is in quarantine, and responses arrive in order.
            Step::Sync | Step::SlowSync(..) | Step::Repeat(_) | Step::Resolve(..) => {
                pair.sync(&mut vendor, None).await;
            }
        }
        let [conditional, plain] = pair.numbers().await;
        prop_assert_eq!(conditional, plain, "{:?}", step);
    }
    let findings = pair.conditional.store.audit().await.unwrap();
    prop_assert!(findings.is_empty(), "{findings:?}");
    Ok(())
}

proptest! {
    #[test]
    fn unchanged_report_releases_the_units_that_the_same_report_releases(
        source in prop::sample::select(Source::VARIANTS),
        skew in prop::sample::select(&[-100_i64, -3, 0, 3, 60][..]),
        units in prop::array::uniform3(1_u32..40),
        chunk_size in 1_usize..4,
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(compare(source, skew * SECOND, units, chunk_size, &steps))?;
    }
}

#[tokio::test]
async fn source_that_is_unchanged_sends_no_report() {
    let fixture = Fixture::open(2, Guard::default()).await;
    let mut vendor = Vendor::new(Source::File, ReportKind::Full, 0, [5, 6, 7]);
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let response = vendor.respond(fixture.clock.micros());
        let feed = ConditionalFeed(fixture.feed(response, Duration::ZERO));
        outcomes.push(fixture.sync.sync(&feed).await.unwrap().outcome);
        fixture.clock.advance(SECOND);
    }
    assert_eq!(outcomes, [SyncOutcome::Applied, SyncOutcome::NotModified]);
}
