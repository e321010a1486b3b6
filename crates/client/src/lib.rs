//! A typed client for the order aggregator's REST API. It starts with one line, [`Client::new`]:
//!
//! ```no_run
#![doc = include_str!("../examples/first_order.rs")]
//! ```
//!
//! Each method is one request, and is sent once: nothing is repeated unless you ask for it, by
//! [`Client::place_repeatedly`]. An answer that is no success is a [`ClientError`]; if the service said why not, with its
//! [`Problem`]. What the API promises is told by the service itself, at `/docs`, and is not repeated here.
//!
//! Lists come as one page ([`Client::orders_page`]), item by item over all pages ([`Client::orders`]), or streamed in one
//! answer ([`Client::order_lines`]). The latter two are read by a `next` that returns `Ok(None)` at the end and may be dropped
//! while it waits: the next call goes on.
//!
//! This crate shares no types with the service: it reads what the contract says, and takes no harm from more members than
//! it knows.

mod builder;
mod error;
mod exchange;
mod items;
mod lines;
mod order;
mod orders;
mod placing;
mod problem;
mod stock;
mod timestamp;
mod vendor;

use std::sync::Arc;

use exchange::Exchange;

pub use builder::ClientBuilder;
pub use error::ClientError;
pub use items::{Items, Page};
pub use lines::Lines;
pub use order::{Allocation, Order, OrderFilter, OrderStatus, RejectReason, VersionedOrder};
pub use placing::{BatchReply, NewOrder, PlaceOptions, Placed, Retries};
pub use problem::{FieldError, Problem, ProblemKind};
pub use stock::{ProductStock, StockFilter, StockLevel, VendorStock};
pub use timestamp::Timestamp;
pub use vendor::{Evidence, SyncResult, SyncStatus, Vendor, VendorSync};

/// Talks to one service. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    exchange: Arc<Exchange>,
}

impl Client {
    /// A client of the service at this URL, such as `http://localhost:3000`, without an API key.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] if the URL is none of `http` or `https`.
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        Self::builder(base_url).build()
    }

    /// A client that is to have an API key, another timeout or an HTTP client of its own.
    pub fn builder(base_url: &str) -> ClientBuilder {
        ClientBuilder::new(base_url)
    }

    pub(crate) fn from_exchange(exchange: Exchange) -> Self {
        Self {
            exchange: Arc::new(exchange),
        }
    }
}
