//! How often one caller may call, and what answers tell of it.
//!
//! Each caller has a bucket of `requests`, which fills again evenly over `per`. So the two settings say both how many may come
//! at once and how many may come in the long run. Each process counts for itself: a limit protects a process, it is no
//! billing.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError as _};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{NotUntil, Quota};

use crate::problem::{Problem, ProblemKind};

/// Buckets for callers that are told apart by address. More addresses than that share buckets, which seldom matters: what
/// has to hold is that however many addresses there are, they take no more memory.
const ADDRESS_SLOTS: usize = 4_096;

/// `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10.
pub(crate) const STANDING: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How often one caller may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Most requests in `per`.
    pub requests: NonZeroU32,
    /// The time that `requests` are for.
    pub per: Duration,
}

/// Counts callers' requests.
pub(crate) struct RateLimiter<C: Clock = MonotonicClock> {
    limit: RateLimit,
    buckets: governor::RateLimiter<usize, Slots, C, StateInformationMiddleware>,
    hasher: RandomState,
    slots: usize,
}

impl RateLimiter {
    /// For callers that are told apart by so many keys; with none, by their addresses.
    pub(crate) fn new(limit: RateLimit, keys: usize) -> Self {
        Self::with_clock(limit, keys, MonotonicClock)
    }
}

impl<C: Clock> RateLimiter<C> {
    fn with_clock(limit: RateLimit, keys: usize, clock: C) -> Self {
        let slots = if keys > 0 { keys } else { ADDRESS_SLOTS };
        let quota = Quota::with_period(limit.per / limit.requests.get())
            .map_or(Quota::per_second(limit.requests), |quota| {
                quota.allow_burst(limit.requests)
            });
        let states = Slots((0..slots).map(|_| InMemoryState::default()).collect());
        Self {
            limit,
            buckets: governor::RateLimiter::new(quota, states, clock),
            hasher: RandomState::new(),
            slots,
        }
    }

    /// Counts a request of the holder of a key.
    pub(crate) fn count_slot(&self, slot: usize) -> Standing {
        let outcome = self.buckets.check_key(&slot);
        let wait = outcome
            .as_ref()
            .err()
            .map(|refused: &NotUntil<C::Instant>| {
                refused.wait_time_from(self.buckets.clock().now())
            });
        Standing {
            limit: self.limit,
            remaining: outcome.map_or(0, |state| state.remaining_burst_capacity()),
            wait,
        }
    }

    /// Counts a request from an address.
    pub(crate) fn count_address(&self, address: Option<IpAddr>) -> Standing {
        let hash = self.hasher.hash_one(address.map(one_site));
        // Both ways of narrowing are harmless: any slot will do.
        let slot = usize::try_from(hash).unwrap_or_default() % self.slots;
        self.count_slot(slot)
    }
}

/// Who has one address of IPv6 has the other 2^64 of its network too.
fn one_site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// A fixed number of buckets, so that memory is bounded by construction. A slot that is not there has an empty bucket.
struct Slots(Vec<InMemoryState>);

impl StateStore for Slots {
    type Key = usize;

    fn measure_and_replace<T, F, E>(&self, slot: &usize, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        match self.0.get(*slot) {
            Some(state) => state.measure_and_replace(&NotKeyed::NonKey, f),
            None => f(None).map(|(outcome, _)| outcome),
        }
    }
}

/// Where a caller stands after one more request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    limit: RateLimit,
    remaining: u32,
    wait: Option<Duration>,
}

impl Standing {
    /// Whether this request is one too many.
    pub(crate) fn is_over(&self) -> bool {
        self.wait.is_some()
    }

    /// 429, with the time after which there is a chance again.
    pub(crate) fn answer(&self) -> HttpResponse {
        let RateLimit { requests, per } = self.limit;
        let detail = format!("only {requests} requests in {} s are allowed", seconds(per));
        let mut answer = Problem::new(ProblemKind::RateLimited, detail).error_response();
        let wait_s = seconds(self.wait.unwrap_or_default());
        let headers = answer.headers_mut();
        headers.insert(RETRY_AFTER, wait_s.into());
        self.tell(headers);
        answer
    }

    /// Tells the client where it stands.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let RateLimit { requests, per } = self.limit;
        let more_in_s = seconds(self.wait.unwrap_or(per / requests.get()));
        let policy = format!("\"default\";q={requests};w={}", seconds(per));
        let standing = format!("\"default\";r={};t={more_in_s}", self.remaining);
        for (name, value) in [(POLICY, policy), (STANDING, standing)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Whole seconds, rounded up, and one at least: after that time it is surely so.
fn seconds(time: Duration) -> u64 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    whole.max(1)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limiter(
        requests: u32,
        per: Duration,
        keys: usize,
    ) -> (RateLimiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let requests = NonZeroU32::new(requests).unwrap();
        let limit = RateLimit { requests, per };
        (RateLimiter::with_clock(limit, keys, clock.clone()), clock)
    }

    fn headers(standing: &Standing) -> (String, String) {
        let mut headers = HeaderMap::new();
        standing.tell(&mut headers);
        let text = |name| headers.get(name).unwrap().to_str().unwrap().to_owned();
        (text(POLICY), text(STANDING))
    }

    #[test]
    fn all_may_come_at_once_and_then_come_again_evenly() {
        let (limiter, clock) = limiter(4, Duration::from_mins(1), 1);
        for remaining in [3, 2, 1, 0] {
            let standing = limiter.count_slot(0);
            assert!(!standing.is_over());
            assert_eq!(
                headers(&standing),
                (
                    "\"default\";q=4;w=60".to_owned(),
                    format!("\"default\";r={remaining};t=15")
                )
            );
        }
        clock.advance(Duration::from_millis(500));
        let over = limiter.count_slot(0);
        assert!(over.is_over());
        assert_eq!(headers(&over).1, "\"default\";r=0;t=15");
        let answer = over.answer();
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers().get(RETRY_AFTER).unwrap(), "15");

        clock.advance(Duration::from_millis(14_500));
        assert!(!limiter.count_slot(0).is_over());
        assert!(limiter.count_slot(0).is_over());
        clock.advance(Duration::from_hours(1));
        let rested = limiter.count_slot(0);
        assert_eq!(rested.remaining, 3, "no more than the bucket holds");
    }

    #[test]
    fn callers_do_not_share_a_bucket() {
        let (limiter, _) = limiter(1, Duration::from_secs(1), 2);
        assert!(!limiter.count_slot(0).is_over());
        assert!(limiter.count_slot(0).is_over());
        assert!(!limiter.count_slot(1).is_over());
    }

    #[test]
    fn any_number_of_addresses_takes_the_same_memory() {
        let (limiter, _) = limiter(1, Duration::from_secs(1), 0);
        let address = |number: u32| Some(IpAddr::V4(number.into()));
        let admitted =
            (0..100_000).filter(|number| !limiter.count_address(address(*number)).is_over());
        assert!(admitted.count() <= ADDRESS_SLOTS);
        assert_eq!(limiter.slots, ADDRESS_SLOTS);
    }

    #[test]
    fn an_address_counts_with_its_network() {
        let site = |text: &str| one_site(text.parse().unwrap());
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:2:ffff::9"));
        assert_ne!(site("2001:db8:1:2::1"), site("2001:db8:1:3::1"));
        assert_ne!(site("10.0.0.1"), site("10.0.0.2"));
        assert_eq!(site("::ffff:10.0.0.1"), site("10.0.0.1"));
    }
}
