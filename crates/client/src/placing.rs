//! Placing single orders and batches.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use reqwest::RequestBuilder;
use reqwest::header::HeaderName;
use serde::{Deserialize, Serialize};

use crate::problem::{Document, Problem};
use crate::transport::{BufferedResponse, header_value, with_json};
use crate::{Client, ClientError, Order};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A new order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewOrder {
    /// Id of the product, 1 to 128 characters.
    pub product_id: String,
    /// Number of units, 1 to 1,000,000.
    pub quantity: u32,
}

impl NewOrder {
    /// Returns an order of `quantity` units of a product.
    #[must_use]
    pub fn new(product_id: impl Into<String>, quantity: u32) -> Self {
        Self {
            product_id: product_id.into(),
            quantity,
        }
    }
}

/// Options of placing an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlaceOptions<'a> {
    /// `Idempotency-Key`, 1 to 255 visible ASCII characters: requests with the same key and order create one order.
    pub idempotency_key: Option<&'a str>,
    /// Maximum time in seconds (1 to 30) for which the response waits until the order is settled.
    pub wait_s: Option<u32>,
}

/// An accepted order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placed {
    /// The order in its current state.
    pub order: Order,
    /// Whether an earlier request with the same key placed the order.
    pub replayed: bool,
    /// Whether the response waited until the order was settled, as requested.
    pub waited: bool,
}

/// The results of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchReply {
    /// The result of each order, in the order of the request: the accepted order, or the problem for which it was refused.
    pub items: Vec<Result<Order, Problem>>,
    /// Whether an earlier request with the same key placed the batch.
    pub replayed: bool,
}

/// Number of retries and the delays between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Maximum number of retries after the first request.
    pub max_retries: usize,
    /// Delay before the first retry. The delay doubles with each retry, with jitter.
    pub initial_delay: Duration,
    /// Maximum delay. If `Retry-After` exceeds it, the request is not retried.
    pub max_delay: Duration,
}

impl Default for Retries {
    /// 10 retries within about 30 seconds.
    fn default() -> Self {
        Self {
            max_retries: 10,
            initial_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(10),
        }
    }
}

impl Client {
    /// Places an order: `POST /api/v1/orders`, without retries.
    ///
    /// # Errors
    /// [`ClientError`]. If its [outcome is unknown](ClientError::is_outcome_unknown), the order may exist: repeat the
    /// request with the same key or, if it had no key, search for the order.
    pub async fn place(
        &self,
        order: &NewOrder,
        options: &PlaceOptions<'_>,
    ) -> Result<Placed, ClientError> {
        let request = self
            .transport
            .post(self.transport.url(&["api", "v1", "orders"])?);
        let mut request =
            with_idempotency_key(with_json(request, order)?, options.idempotency_key)?;
        let mut limit = self.transport.timeout;
        if let Some(wait_s) = options.wait_s {
            request = request.header(PREFER, format!("wait={wait_s}"));
            limit += Duration::from_secs(wait_s.into());
        }
        let response = self.transport.send_with_timeout(request, limit).await?;
        let response = response.expect(&[201, 202])?;
        let waited = response.status == 201;
        if waited != (response.header(PREFERENCE_APPLIED) == Some("wait")) {
            return Err(response.unexpected("Preference-Applied contradicts the status"));
        }
        Ok(Placed {
            order: response.json()?,
            replayed: is_replayed(&response),
            waited,
        })
    }

    /// Places an order with an `Idempotency-Key` and retries after [transient](ClientError::is_transient) errors. All
    /// requests together create one order.
    ///
    /// # Errors
    /// The first [`ClientError`] that is not transient or has a `Retry-After` above the maximum delay, or the last one.
    pub async fn place_with_retries(
        &self,
        order: &NewOrder,
        key: &str,
        wait_s: Option<u32>,
        retries: Retries,
    ) -> Result<Placed, ClientError> {
        let options = PlaceOptions {
            idempotency_key: Some(key),
            wait_s,
        };
        with_retries(retries, || self.place(order, &options)).await
    }

    /// Places up to 1,000 orders in one transaction: `POST /api/v1/orders/batch`, without retries.
    ///
    /// # Errors
    /// [`ClientError`] if the batch was refused as a whole.
    pub async fn place_batch(
        &self,
        orders: &[NewOrder],
        idempotency_key: Option<&str>,
    ) -> Result<BatchReply, ClientError> {
        let url = self.transport.url(&["api", "v1", "orders", "batch"])?;
        let request = with_json(self.transport.post(url), &Batch { orders })?;
        let request = with_idempotency_key(request, idempotency_key)?;
        let response = self.transport.send(request).await?.expect(&[207])?;
        let BatchDocument { items } = response.json()?;
        if items.len() != orders.len() {
            let (expected, found) = (orders.len(), items.len());
            return Err(response.unexpected(format!("{found} results for {expected} orders")));
        }
        let items = items.into_iter().map(|item| item.outcome(&response));
        Ok(BatchReply {
            items: items.collect::<Result<_, _>>()?,
            replayed: is_replayed(&response),
        })
    }

    /// Places a batch with an `Idempotency-Key` and retries after [transient](ClientError::is_transient) errors.
    ///
    /// # Errors
    /// The first [`ClientError`] that is not transient or has a `Retry-After` above the maximum delay, or the last one.
    pub async fn place_batch_with_retries(
        &self,
        orders: &[NewOrder],
        key: &str,
        retries: Retries,
    ) -> Result<BatchReply, ClientError> {
        with_retries(retries, || self.place_batch(orders, Some(key))).await
    }
}

async fn with_retries<T, F>(retries: Retries, request: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let backoff = ExponentialBuilder::default()
        .with_min_delay(retries.initial_delay)
        .with_max_delay(retries.max_delay)
        .with_max_times(retries.max_retries)
        .with_jitter();
    let requested_delay = |error: &ClientError| error.retry_after().unwrap_or_default();
    request
        .retry(backoff)
        .sleep(tokio::time::sleep)
        .when(|error| error.is_transient() && requested_delay(error) <= retries.max_delay)
        .adjust(|error, delay| delay.map(|delay| delay.max(requested_delay(error))))
        .await
}

fn with_idempotency_key(
    request: RequestBuilder,
    key: Option<&str>,
) -> Result<RequestBuilder, ClientError> {
    let Some(key) = key else { return Ok(request) };
    let value = header_value("the idempotency key", key)?;
    Ok(request.header(IDEMPOTENCY_KEY, value))
}

fn is_replayed(response: &BufferedResponse) -> bool {
    response.header(IDEMPOTENT_REPLAYED) == Some("true")
}

#[derive(Serialize)]
struct Batch<'a> {
    orders: &'a [NewOrder],
}

#[derive(Deserialize)]
struct BatchDocument {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    order: Option<Order>,
    problem: Option<Document>,
}

impl Item {
    fn outcome(self, response: &BufferedResponse) -> Result<Result<Order, Problem>, ClientError> {
        match (self.order, self.problem) {
            (Some(order), None) => Ok(Ok(order)),
            (None, Some(problem)) => Ok(Err(problem.into_problem(self.status, None))),
            _ => Err(response.unexpected("an item is neither an order nor a problem")),
        }
    }
}
