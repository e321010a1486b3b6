//! Reading and listing orders, and changing their status.

use reqwest::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use serde::Serialize;

use crate::transport::{BufferedResponse, header_value, with_json};
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
    /// Returns an order: `GET /api/v1/orders/{id}`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) if the order does not exist.
    pub async fn order(&self, id: i64) -> Result<VersionedOrder, ClientError> {
        let request = self.transport.get(self.order_url(id)?);
        versioned(&self.transport.send(request).await?.expect(&[200])?)
    }

    /// Returns an order, or `None` if its entity tag is still `etag` (`If-None-Match`).
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) if the order does not exist.
    pub async fn order_if_changed(
        &self,
        id: i64,
        etag: &str,
    ) -> Result<Option<VersionedOrder>, ClientError> {
        let request = self.transport.get(self.order_url(id)?);
        let request = request.header(IF_NONE_MATCH, header_value("the entity tag", etag)?);
        let response = self.transport.send(request).await?.expect(&[200, 304])?;
        if response.status == 304 {
            return Ok(None);
        }
        versioned(&response).map(Some)
    }

    /// Changes the status of an order: `PATCH /api/v1/orders/{id}`. With `if_match`, only if the order has that entity tag.
    /// Requires the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`IllegalTransition`](crate::ProblemKind::IllegalTransition) or
    /// [`PreconditionFailed`](crate::ProblemKind::PreconditionFailed) if the order was not changed.
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

    /// Marks one vendor's part of an order as shipped: `PATCH /api/v1/orders/{id}`. It states that the vendor's own count no
    /// longer includes the shipped units. The order becomes `SHIPPED` once each vendor has shipped, and is `CONFIRMED` until
    /// then. With `if_match`, only if the order has that entity tag. Requires the role `operator`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`ValidationFailed`](crate::ProblemKind::ValidationFailed) if the vendor supplies
    /// none of the order's units.
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
        let request = self.transport.patch(self.order_url(id)?);
        let mut request = with_json(request, change)?;
        if let Some(etag) = if_match {
            request = request.header(IF_MATCH, header_value("the entity tag", etag)?);
        }
        versioned(&self.transport.send(request).await?.expect(&[200])?)
    }

    /// Returns a page of `GET /api/v1/orders`, newest first, with at most `limit` orders (1 to 1000, default 100), from
    /// `cursor` on.
    ///
    /// # Errors
    /// [`ClientError`] if the page cannot be read.
    pub async fn orders_page(
        &self,
        filter: OrderFilter,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<Order>, ClientError> {
        self.page(&LIST, &filter.query(), limit, cursor).await
    }

    /// Returns all orders, newest first, and requests pages as they are needed.
    pub fn orders(&self, filter: OrderFilter) -> Items<Order> {
        Items::new(self.clone(), &LIST, filter.query())
    }

    /// Returns all orders, newest first, as one streamed response.
    ///
    /// # Errors
    /// [`ClientError`] if the stream cannot be opened.
    pub async fn order_lines(&self, filter: OrderFilter) -> Result<Lines<Order>, ClientError> {
        Lines::open(&self.transport, &LIST, &filter.query()).await
    }

    fn order_url(&self, id: i64) -> Result<reqwest::Url, ClientError> {
        self.transport
            .url(&["api", "v1", "orders", &id.to_string()])
    }
}

fn versioned(response: &BufferedResponse) -> Result<VersionedOrder, ClientError> {
    let etag = response
        .header(ETAG)
        .ok_or_else(|| response.unexpected("the response has no ETag"))?;
    Ok(VersionedOrder {
        order: response.json()?,
        etag: etag.to_owned(),
    })
}
