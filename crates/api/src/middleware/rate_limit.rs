//! The rate limit of each caller, and its response headers.
//!
//! Each caller has a token bucket of `requests`, which refills evenly over `per`. The two settings thus define both the
//! burst and the sustained rate. Each process counts separately: the limit protects a process, and is not a quota for
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

/// Number of buckets for callers that are identified by address. Addresses share buckets by hash, so that memory is bounded
/// for any number of addresses.
const ADDRESS_SLOTS: usize = 4_096;

/// `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The rate limit of one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Maximum number of requests per `per`.
    pub requests: NonZeroU32,
    /// The time window.
    pub per: Duration,
}

/// Counts the requests of each caller.
pub(crate) struct RateLimiter<C: Clock = MonotonicClock> {
    limit: RateLimit,
    buckets: governor::RateLimiter<usize, Slots, C, StateInformationMiddleware>,
    hasher: RandomState,
    slots: usize,
}

impl RateLimiter {
    /// A limiter for callers that are identified by one of `keys` API keys, or by address if there are no keys.
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

    /// Counts a request with an API key.
    pub(crate) fn count_slot(&self, slot: usize) -> RateLimitStatus {
        let outcome = self.buckets.check_key(&slot);
        let wait = outcome
            .as_ref()
            .err()
            .map(|refused: &NotUntil<C::Instant>| {
                refused.wait_time_from(self.buckets.clock().now())
            });
        RateLimitStatus {
            limit: self.limit,
            remaining: outcome.map_or(0, |state| state.remaining_burst_capacity()),
            wait,
        }
    }

    /// Counts a request from an address.
    pub(crate) fn count_address(&self, address: Option<IpAddr>) -> RateLimitStatus {
        let hash = self.hasher.hash_one(address.map(network_of));
        // A truncated hash is fine: any slot will do.
        let slot = usize::try_from(hash).unwrap_or_default() % self.slots;
        self.count_slot(slot)
    }
}

/// The address that requests are counted by. A holder of one IPv6 address controls its whole /64 network.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// A fixed number of buckets, so that memory is bounded. A slot out of range behaves like a new bucket.
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

/// The rate limit status of a caller after a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimitStatus {
    limit: RateLimit,
    remaining: u32,
    wait: Option<Duration>,
}

impl RateLimitStatus {
    /// Whether the request exceeds the limit.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.wait.is_some()
    }

    /// The response 429 with `Retry-After`.
    pub(crate) fn rejection(&self) -> HttpResponse {
        let RateLimit { requests, per } = self.limit;
        let detail = format!(
            "the rate limit is {requests} requests per {} s",
            seconds(per)
        );
        let mut response = Problem::new(ProblemKind::RateLimited, detail).error_response();
        let wait_s = seconds(self.wait.unwrap_or_default());
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, wait_s.into());
        self.write_headers(headers);
        response
    }

    /// Writes the rate limit headers.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        let RateLimit { requests, per } = self.limit;
        let more_in_s = seconds(self.wait.unwrap_or(per / requests.get()));
        let policy = format!("\"default\";q={requests};w={}", seconds(per));
        let limit = format!("\"default\";r={};t={more_in_s}", self.remaining);
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Whole seconds, rounded up, at least one.
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

    fn headers(status: &RateLimitStatus) -> (String, String) {
        let mut headers = HeaderMap::new();
        status.write_headers(&mut headers);
        let text = |name| headers.get(name).unwrap().to_str().unwrap().to_owned();
        (text(RATE_LIMIT_POLICY), text(RATE_LIMIT))
    }

    #[test]
    fn bucket_allows_a_burst_and_refills_evenly() {
        let (limiter, clock) = limiter(4, Duration::from_mins(1), 1);
        for remaining in [3, 2, 1, 0] {
            let status = limiter.count_slot(0);
            assert!(!status.is_exceeded());
            assert_eq!(
                headers(&status),
                (
                    "\"default\";q=4;w=60".to_owned(),
                    format!("\"default\";r={remaining};t=15")
                )
            );
        }
        clock.advance(Duration::from_millis(500));
        let exceeded = limiter.count_slot(0);
        assert!(exceeded.is_exceeded());
        assert_eq!(headers(&exceeded).1, "\"default\";r=0;t=15");
        let response = exceeded.rejection();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "15");

        clock.advance(Duration::from_millis(14_500));
        assert!(!limiter.count_slot(0).is_exceeded());
        assert!(limiter.count_slot(0).is_exceeded());
        clock.advance(Duration::from_hours(1));
        let refilled = limiter.count_slot(0);
        assert_eq!(refilled.remaining, 3, "the bucket is full");
    }

    #[test]
    fn each_caller_has_its_own_bucket() {
        let (limiter, _) = limiter(1, Duration::from_secs(1), 2);
        assert!(!limiter.count_slot(0).is_exceeded());
        assert!(limiter.count_slot(0).is_exceeded());
        assert!(!limiter.count_slot(1).is_exceeded());
    }

    #[test]
    fn memory_is_bounded_for_any_number_of_addresses() {
        let (limiter, _) = limiter(1, Duration::from_secs(1), 0);
        let address = |number: u32| Some(IpAddr::V4(number.into()));
        let admitted =
            (0..100_000).filter(|number| !limiter.count_address(address(*number)).is_exceeded());
        assert!(admitted.count() <= ADDRESS_SLOTS);
        assert_eq!(limiter.slots, ADDRESS_SLOTS);
    }

    #[test]
    fn ipv6_addresses_are_counted_by_network() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }
}
