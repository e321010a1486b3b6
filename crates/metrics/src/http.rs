//! Metrics of HTTP requests: count, status and duration.

use std::array;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use crate::InvalidMetric;

/// The label `route` of a request that matches no route.
pub const NO_ROUTE: &str = "none";

/// The values of the label `method`. Every other method is counted as the last value.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "OPTIONS", "other"];

/// Statuses whose counters are cached. Counters of other statuses are looked up for each request.
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
            Opts::new(
                "http_requests_total",
                "HTTP requests, by method, route and response status.",
            ),
            &["method", "route", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "Time from the head of a request to the head of its response.",
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

    /// Creates a recorder for one thread.
    #[must_use]
    pub fn recorder(&self) -> HttpRecorder {
        HttpRecorder {
            metrics: self.clone(),
            routes: RefCell::default(),
        }
    }
}

/// Records requests on one thread. Each counter is looked up once and cached, so that recording a request is cheap.
pub struct HttpRecorder {
    metrics: HttpMetrics,
    routes: RefCell<HashMap<&'static str, RouteMetrics>>,
}

/// The metrics of a route, by method.
type RouteMetrics = [MethodMetrics; METHODS.len()];

struct MethodMetrics {
    duration: Option<Histogram>,
    /// Request counters, by index in [`STATUSES`].
    requests: [Option<IntCounter>; STATUSES.len()],
}

impl HttpRecorder {
    /// Records a request and the status of its response.
    pub fn record(&self, route: &'static str, method: &str, status: u16, took: Duration) {
        let index = METHODS.iter().position(|known| *known == method);
        let index = index.unwrap_or(METHODS.len() - 1);
        let method = METHODS[index];
        let metrics = &self.metrics;
        let mut routes = self.routes.borrow_mut();
        let route_metrics = routes.entry(route).or_insert_with(|| {
            array::from_fn(|_| MethodMetrics {
                duration: None,
                requests: array::from_fn(|_| None),
            })
        });
        let method_metrics = &mut route_metrics[index];
        method_metrics
            .duration
            .get_or_insert_with(|| metrics.durations.with_label_values(&[method, route]))
            .observe(took.as_secs_f64());
        let counter = || {
            metrics
                .requests
                .with_label_values(&[method, route, &status.to_string()])
        };
        match STATUSES.iter().position(|known| *known == status) {
            Some(index) => method_metrics.requests[index]
                .get_or_insert_with(counter)
                .inc(),
            None => counter().inc(),
        }
    }
}
