//! A typed client for the order aggregator's REST API. [`Client::new`] creates a client:
//!
//! ```no_run
#![doc = include_str!("../examples/first_order.rs")]
//! ```
//!
//! Each method sends one request, once. Only [`Client::place_with_retries`] and [`Client::place_batch_with_retries`] retry. A
//! response that is not a success is a [`ClientError`], with the service's [`Problem`] if the response has one. The service
//! documents the guarantees of its API at `/docs`; they are not repeated here.
//!
//! A list is read as one page ([`Client::orders_page`]), item by item over all pages ([`Client::orders`]), or as one
//! streamed response ([`Client::order_lines`]). [`Items::next`] and [`Lines::next`] return `Ok(None)` at the end and are
//! cancel safe: a call after a dropped one continues with the next item.
//!
//! This crate shares no types with the service. It implements the documented contract and ignores unknown members of
//! responses.

mod builder;
mod error;
mod items;
mod lines;
mod order;
mod orders;
mod placing;
mod problem;
mod runs;
mod stock;
mod timestamp;
mod transport;
mod vendor;

use std::sync::Arc;

use transport::Transport;

pub use builder::ClientBuilder;
pub use error::ClientError;
pub use items::{Items, Page};
pub use lines::Lines;
pub use order::{Allocation, Order, OrderFilter, OrderStatus, RejectReason, VersionedOrder};
pub use placing::{BatchReply, NewOrder, PlaceOptions, Placed, Retries};
pub use problem::{FieldError, Problem, ProblemKind};
pub use runs::{RefusedRecord, Run};
pub use stock::{ProductStock, StockFilter, StockLevel, VendorStock};
pub use timestamp::Timestamp;
pub use vendor::{
    Evidence, PauseResult, QuarantinedReport, ReportKind, SyncResult, SyncStatus, Vendor,
    VendorPause, VendorSync,
};

/// A client of one service. Clones share a connection pool.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    /// Returns a client without an API key for the service at this URL, such as `http://localhost:3000`.
    ///
    /// # Errors
    /// [`ClientError::InvalidRequest`] if this is not an `http` or `https` URL.
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        Self::builder(base_url).build()
    }

    /// Returns a builder, to set an API key, a timeout or an HTTP client.
    pub fn builder(base_url: &str) -> ClientBuilder {
        ClientBuilder::new(base_url)
    }

    pub(crate) fn from_transport(transport: Transport) -> Self {
        Self {
            transport: Arc::new(transport),
        }
    }
}
