//! What a vendor serves next.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

/// How an answer fails.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// It does not.
    #[default]
    None,
    /// With this HTTP status.
    Status {
        /// From 100 to 999.
        status: u16,
    },
    /// With this HTTP status and this `Retry-After`.
    RetryAfter {
        /// From 100 to 999.
        status: u16,
        /// The field's value: seconds, an HTTP date, or anything else.
        value: String,
    },
    /// It comes late.
    Delay {
        /// By so many milliseconds.
        ms: u64,
    },
    /// The connection is closed in the middle of the report.
    Truncate,
    /// It stops in the middle of the report, and the connection stays open.
    Stall,
    /// It is no JSON.
    Garbage,
    /// It never comes.
    Hang,
    /// It never ends.
    Huge,
    /// It is this text instead of a report.
    Body {
        /// The text.
        body: String,
    },
}

/// What one request is answered with.
pub(crate) struct Answer {
    pub(crate) fault: Fault,
    pub(crate) report: Bytes,
}

#[derive(Debug)]
struct Inner {
    stock: BTreeMap<String, i64>,
    as_of: Option<String>,
    /// The report as it is served: written once a change, not once a request.
    report: Bytes,
    fault: Fault,
    /// For how many more answers the fault lasts; none for ever.
    fault_times: Option<u32>,
    requests: u64,
}

/// Shared between a vendor's owner and its server.
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

    /// Counts a request and says what to answer.
    pub(crate) fn answer(&self) -> Answer {
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
        Answer {
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
