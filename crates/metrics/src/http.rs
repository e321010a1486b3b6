//! HTTP requests: how many, how answered, how fast.

use std::array;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use crate::InvalidMetric;

/// The route of a request that no route matches.
pub const NO_ROUTE: &str = "none";

/// Methods that are told apart; whatever else a client sends is the last one.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "OPTIONS", "other"];

/// Statuses whose counters are at hand. Others are counted as well, by a slower way.
const STATUSES: [u16; 22] = [
    200, 201, 202, 204, 207, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 431, 500,
    502, 503, 504,
];

const BUCKETS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// The counters of all routes, shared by all threads.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, InvalidMetric> {
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "HTTP requests that were answered."),
            &["method", "route", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
            )
            .buckets(BUCKETS.to_vec()),
            &["method", "route"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self {
            requests,
            durations,
        })
    }

    /// Counts for one thread.
    #[must_use]
    pub fn recorder(&self) -> HttpRecorder {
        HttpRecorder {
            metrics: self.clone(),
            routes: RefCell::default(),
        }
    }
}

/// One thread's way to the counters: each is looked up once, so that a request costs a few additions.
pub struct HttpRecorder {
    metrics: HttpMetrics,
    routes: RefCell<HashMap<&'static str, Route>>,
}

/// The counters of a route, by method.
type Route = [Answers; METHODS.len()];

struct Answers {
    duration: Option<Histogram>,
    /// By status.
    requests: [Option<IntCounter>; STATUSES.len()],
}

impl HttpRecorder {
    /// Counts a request that was answered.
    pub fn answered(&self, route: &'static str, method: &str, status: u16, took: Duration) {
        let at = METHODS.iter().position(|known| *known == method);
        let at = at.unwrap_or(METHODS.len() - 1);
        let method = METHODS[at];
        let metrics = &self.metrics;
        let mut routes = self.routes.borrow_mut();
        let answers = routes.entry(route).or_insert_with(|| {
            array::from_fn(|_| Answers {
                duration: None,
                requests: array::from_fn(|_| None),
            })
        });
        let answers = &mut answers[at];
        answers
            .duration
            .get_or_insert_with(|| metrics.durations.with_label_values(&[method, route]))
            .observe(took.as_secs_f64());
        let counter = || {
            metrics
                .requests
                .with_label_values(&[method, route, &status.to_string()])
        };
        match STATUSES.iter().position(|known| *known == status) {
            Some(at) => answers.requests[at].get_or_insert_with(counter).inc(),
            None => counter().inc(),
        }
    }
}
