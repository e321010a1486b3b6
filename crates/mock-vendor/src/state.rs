//! The state of a vendor: stock, fault and request count.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

/// A fault to inject into responses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// No fault.
    #[default]
    None,
    /// Respond with this HTTP status.
    Status {
        /// Status code, from 100 to 999.
        status: u16,
    },
    /// Respond with this HTTP status and `Retry-After`.
    RetryAfter {
        /// Status code, from 100 to 999.
        status: u16,
        /// Value of the header: seconds, an HTTP date, or an invalid value.
        value: String,
    },
    /// Delay the response.
    Delay {
        /// Delay in milliseconds.
        ms: u64,
    },
    /// Close the connection after half of the report.
    Truncate,
    /// Stop sending after half of the report and keep the connection open.
    Stall,
    /// Send a body that is not JSON.
    Garbage,
    /// Never respond.
    Hang,
    /// Send an endless list.
    Huge,
    /// Send this body instead of the report.
    Body {
        /// The body.
        body: String,
    },
}

/// The response to one request.
pub(crate) struct Response {
    pub(crate) fault: Fault,
    pub(crate) report: Bytes,
}

#[derive(Debug)]
struct Inner {
    stock: BTreeMap<String, i64>,
    as_of: Option<String>,
    /// The serialized report. Serialized once per change, not per request.
    report: Bytes,
    fault: Fault,
    /// Number of responses for which the fault remains active; unlimited if `None`.
    fault_times: Option<u32>,
    requests: u64,
}

/// State shared between a [`crate::MockVendor`] and its server.
#[derive(Debug)]
pub(crate) struct State(Mutex<Inner>);

impl State {
    pub(crate) fn new(stock: impl Iterator<Item = (String, i64)>) -> Self {
        let mut inner = Inner {
            stock: stock.collect(),
            as_of: None,
            report: Bytes::new(),
            fault: Fault::None,
            fault_times: None,
            requests: 0,
        };
        inner.write_report();
        Self(Mutex::new(inner))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_stock(&self, stock: impl Iterator<Item = (String, i64)>) {
        let mut inner = self.lock();
        inner.stock = stock.collect();
        inner.write_report();
    }

    pub(crate) fn set_as_of(&self, as_of: Option<String>) {
        let mut inner = self.lock();
        inner.as_of = as_of;
        inner.write_report();
    }

    pub(crate) fn set_fault(&self, fault: Fault, times: Option<u32>) {
        let mut inner = self.lock();
        inner.fault = fault;
        inner.fault_times = times;
    }

    pub(crate) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Counts a request and returns its response.
    pub(crate) fn next_response(&self) -> Response {
        let mut inner = self.lock();
        inner.requests += 1;
        let fault = match inner.fault_times.as_mut() {
            None => inner.fault.clone(),
            Some(0) => Fault::None,
            Some(times) => {
                *times -= 1;
                inner.fault.clone()
            }
        };
        Response {
            fault,
            report: inner.report.clone(),
        }
    }
}

impl Inner {
    fn write_report(&mut self) {
        let items: Vec<Value> = self
            .stock
            .iter()
            .map(|(product, quantity)| json!({"productId": product, "quantity": quantity}))
            .collect();
        let report = match &self.as_of {
            None => Value::from(items),
            Some(as_of) => json!({"as_of": as_of, "items": items}),
        };
        self.report = Bytes::from(report.to_string());
    }
}
