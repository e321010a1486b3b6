//! Placing orders, alone and in batches.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use reqwest::RequestBuilder;
use reqwest::header::HeaderName;
use serde::{Deserialize, Serialize};

use crate::exchange::{Answer, header_value, with_json};
use crate::problem::{Document, Problem};
use crate::{Client, ClientError, Order};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// An order to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewOrder {
    /// Of which product: 1 to 128 characters.
    pub product_id: String,
    /// How many units: 1 to 1,000,000.
    pub quantity: u32,
}

impl NewOrder {
    /// So many units of a product.
    #[must_use]
    pub fn new(product_id: impl Into<String>, quantity: u32) -> Self {
        Self {
            product_id: product_id.into(),
            quantity,
        }
    }
}

/// How an order is placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlaceOptions<'a> {
    /// 1 to 255 visible ASCII characters. The same order with the same key is the same order, however often it is sent.
    pub idempotency_key: Option<&'a str>,
    /// For so many seconds (1 to 30) the answer is to wait until the order is settled.
    pub wait_s: Option<u32>,
}

/// An order that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placed {
    /// The order as it is by now.
    pub order: Order,
    /// Whether an earlier request with the same key had placed it.
    pub replayed: bool,
    /// Whether the answer waited for the settlement as it was asked to: the order is settled then.
    pub waited: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchReply {
    /// Of each order, in the place that it had: the order, or why it was not taken.
    pub items: Vec<Result<Order, Problem>>,
    /// Whether an earlier request with the same key had placed it.
    pub replayed: bool,
}

/// How often and after which pauses a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Most repeats after the first time.
    pub most: usize,
    /// The first pause; it doubles, with some jitter.
    pub first_pause: Duration,
    /// The longest pause. If the service asks for a longer one, the request is given up.
    pub longest_pause: Duration,
}

impl Default for Retries {
    /// 10 repeats within about half a minute.
    fn default() -> Self {
        Self {
            most: 10,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(10),
        }
    }
}

impl Client {
    /// `POST /api/v1/orders`, once.
    ///
    /// # Errors
    /// [`ClientError`]. If it [may have happened](ClientError::is_outcome_unknown), the order may exist: with a key it can be
    /// placed again, without one it must be looked up.
    pub async fn place(
        &self,
        order: &NewOrder,
        options: &PlaceOptions<'_>,
    ) -> Result<Placed, ClientError> {
        let request = self
            .exchange
            .post(self.exchange.url(&["api", "v1", "orders"])?);
        let mut request = with_key(with_json(request, order)?, options.idempotency_key)?;
        let mut limit = self.exchange.timeout;
        if let Some(wait_s) = options.wait_s {
            request = request.header(PREFER, format!("wait={wait_s}"));
            limit += Duration::from_secs(wait_s.into());
        }
        let answer = self.exchange.send_within(request, limit).await?;
        let answer = answer.expect(&[201, 202])?;
        let waited = answer.status == 201;
        if waited != (answer.header(PREFERENCE_APPLIED) == Some("wait")) {
            return Err(answer.strange("its Preference-Applied says otherwise than its status"));
        }
        Ok(Placed {
            order: answer.json()?,
            replayed: is_replayed(&answer),
            waited,
        })
    }

    /// The same under an `Idempotency-Key`, and again while there is no answer or the service says that it cannot now: it
    /// is one order however often it is sent.
    ///
    /// # Errors
    /// The last [`ClientError`], or the first that repeating does not help against.
    pub async fn place_repeatedly(
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
        repeat(retries, || self.place(order, &options)).await
    }

    /// `POST /api/v1/orders/batch`, once: up to 1,000 orders in one transaction.
    ///
    /// # Errors
    /// [`ClientError`] if the batch as a whole was not taken.
    pub async fn place_batch(
        &self,
        orders: &[NewOrder],
        idempotency_key: Option<&str>,
    ) -> Result<BatchReply, ClientError> {
        let url = self.exchange.url(&["api", "v1", "orders", "batch"])?;
        let request = with_json(self.exchange.post(url), &Batch { orders })?;
        let request = with_key(request, idempotency_key)?;
        let answer = self.exchange.send(request).await?.expect(&[207])?;
        let BatchDocument { items } = answer.json()?;
        if items.len() != orders.len() {
            let (asked, answered) = (orders.len(), items.len());
            return Err(answer.strange(format!("{asked} orders have {answered} answers")));
        }
        let items = items.into_iter().map(|item| item.outcome(&answer));
        Ok(BatchReply {
            items: items.collect::<Result<_, _>>()?,
            replayed: is_replayed(&answer),
        })
    }

    /// The same under an `Idempotency-Key`, and again while there is no answer or the service says that it cannot now.
    ///
    /// # Errors
    /// The last [`ClientError`], or the first that repeating does not help against.
    pub async fn place_batch_repeatedly(
        &self,
        orders: &[NewOrder],
        key: &str,
        retries: Retries,
    ) -> Result<BatchReply, ClientError> {
        repeat(retries, || self.place_batch(orders, Some(key))).await
    }
}

async fn repeat<T, F>(retries: Retries, request: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(retries.first_pause)
        .with_max_delay(retries.longest_pause)
        .with_max_times(retries.most)
        .with_jitter();
    let asked = |error: &ClientError| error.retry_after().unwrap_or_default();
    request
        .retry(pauses)
        .sleep(tokio::time::sleep)
        .when(|error| error.is_transient() && asked(error) <= retries.longest_pause)
        .adjust(|error, pause| pause.map(|pause| pause.max(asked(error))))
        .await
}

fn with_key(request: RequestBuilder, key: Option<&str>) -> Result<RequestBuilder, ClientError> {
    let Some(key) = key else { return Ok(request) };
    let value = header_value("the idempotency key", key)?;
    Ok(request.header(IDEMPOTENCY_KEY, value))
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header(IDEMPOTENT_REPLAYED) == Some("true")
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
    fn outcome(self, answer: &Answer) -> Result<Result<Order, Problem>, ClientError> {
        match (self.order, self.problem) {
            (Some(order), None) => Ok(Ok(order)),
            (None, Some(problem)) => Ok(Err(problem.into_problem(self.status, None))),
            _ => Err(answer.strange("an item is neither an order nor a problem")),
        }
    }
}
