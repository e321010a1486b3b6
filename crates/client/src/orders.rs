//! Orders: looking them up, listing them, changing their status.

use reqwest::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use serde::Serialize;

use crate::exchange::{Answer, header_value, with_json};
use crate::{
    Client, ClientError, Items, Lines, Order, OrderFilter, OrderStatus, Page, VersionedOrder,
};

const LIST: [&str; 3] = ["api", "v1", "orders"];

#[derive(Serialize)]
struct Change<'a> {
    status: OrderStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_id: Option<&'a str>,
}

impl Client {
    /// `GET /api/v1/orders/{id}`.
    ///
    /// # Errors
    /// [`ClientError`]; a problem [`NotFound`](crate::ProblemKind::NotFound) if there is no such order.
    pub async fn order(&self, id: i64) -> Result<VersionedOrder, ClientError> {
        let request = self.exchange.get(self.order_url(id)?);
        versioned(&self.exchange.send(request).await?.expect(&[200])?)
    }

    /// The same, unless the order still is in the version of this tag.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn order_unless(
        &self,
        id: i64,
        etag: &str,
    ) -> Result<Option<VersionedOrder>, ClientError> {
        let request = self.exchange.get(self.order_url(id)?);
        let request = request.header(IF_NONE_MATCH, header_value("the entity tag", etag)?);
        let answer = self.exchange.send(request).await?.expect(&[200, 304])?;
        if answer.status == 304 {
            return Ok(None);
        }
        versioned(&answer).map(Some)
    }

    /// `PATCH /api/v1/orders/{id}`. With a tag, only if the order is in that version. Needs the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`]; a problem [`IllegalTransition`](crate::ProblemKind::IllegalTransition) or
    /// [`PreconditionFailed`](crate::ProblemKind::PreconditionFailed) if the order stays as it is.
    pub async fn change_status(
        &self,
        id: i64,
        status: OrderStatus,
        if_match: Option<&str>,
    ) -> Result<VersionedOrder, ClientError> {
        let vendor_id = None;
        self.change(id, &Change { status, vendor_id }, if_match)
            .await
    }

    /// `PATCH /api/v1/orders/{id}` for one vendor's part: the vendor's own count no longer holds its units of the order.
    /// The order is `SHIPPED` once each vendor has shipped, and stays `CONFIRMED` before. With a tag, only if the order
    /// is in that version. Needs the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`]; a problem [`ValidationFailed`](crate::ProblemKind::ValidationFailed) if the vendor supplies no
    /// unit of the order.
    pub async fn ship_part(
        &self,
        id: i64,
        vendor_id: &str,
        if_match: Option<&str>,
    ) -> Result<VersionedOrder, ClientError> {
        let change = Change {
            status: OrderStatus::Shipped,
            vendor_id: Some(vendor_id),
        };
        self.change(id, &change, if_match).await
    }

    async fn change(
        &self,
        id: i64,
        change: &Change<'_>,
        if_match: Option<&str>,
    ) -> Result<VersionedOrder, ClientError> {
        let request = self.exchange.patch(self.order_url(id)?);
        let mut request = with_json(request, change)?;
        if let Some(etag) = if_match {
            request = request.header(IF_MATCH, header_value("the entity tag", etag)?);
        }
        versioned(&self.exchange.send(request).await?.expect(&[200])?)
    }

    /// One page of `GET /api/v1/orders`, newest first: of `limit` orders (1 to 1000; 100 unless given), from a cursor on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn orders_page(
        &self,
        filter: OrderFilter,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<Order>, ClientError> {
        self.page(&LIST, &filter.query(), limit, cursor).await
    }

    /// All orders, newest first, page by page as they are read.
    pub fn orders(&self, filter: OrderFilter) -> Items<Order> {
        Items::new(self.clone(), LIST, filter.query())
    }

    /// All orders, newest first, in one streamed answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn order_lines(&self, filter: OrderFilter) -> Result<Lines<Order>, ClientError> {
        Lines::open(&self.exchange, &LIST, &filter.query()).await
    }

    fn order_url(&self, id: i64) -> Result<reqwest::Url, ClientError> {
        self.exchange.url(&["api", "v1", "orders", &id.to_string()])
    }
}

fn versioned(answer: &Answer) -> Result<VersionedOrder, ClientError> {
    let etag = answer
        .header(ETAG)
        .ok_or_else(|| answer.strange("it has no ETag"))?;
    Ok(VersionedOrder {
        order: answer.json()?,
        etag: etag.to_owned(),
    })
}
