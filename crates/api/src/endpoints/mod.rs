//! The endpoints: each handler with its contract.

pub(crate) mod batch;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod orders;
pub(crate) mod pauses;
pub(crate) mod problems;
pub(crate) mod readiness;
pub(crate) mod reports;
pub(crate) mod runs;
pub(crate) mod service;
pub(crate) mod stock;
mod vendor_request;
pub(crate) mod vendors;
