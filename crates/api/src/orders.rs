//! Orders over HTTP.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use domain::identifiers::{IdempotencyKey, OrderId, ProductId};
use domain::order::{Order, OrderStatus};
use domain::ports::{NewOrder, OrderFilter, OrderQueries, StoreError};

use crate::cursor::CursorScope;
use crate::etag::{self, Condition};
use crate::list::{self, List, NextPage};
use crate::problem::Problem;
use crate::request::query::{self, Query};
use crate::request::status::Change;
use crate::request::{body, idempotency, order, path, prefer, status};
use crate::state::AppState;
use crate::views::OrderView;

const LIST: &str = "/api/v1/orders";

/// `POST /api/v1/orders` and `/api/v1/order`: 202, or 201 if the client prefers to wait for settlement and the order is
/// settled in time.
pub(crate) async fn place(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let key = begin_placing(&state, &request)?;
    let wanted = order::parse(&body::read(&request, payload).await?)?;
    let placed = state
        .batcher
        .place(NewOrder {
            request: wanted,
            key,
            batch: None,
        })
        .await?;
    let settled = match prefer::wait(&request) {
        Some(within) => {
            let (order, shutdown) = (&placed.order, &state.shutdown);
            state.change_feed.settled(order, within, shutdown).await
        }
        None => None,
    };
    let mut response = match settled {
        Some(_) => HttpResponse::Created(),
        None => HttpResponse::Accepted(),
    };
    response.insert_header((header::LOCATION, format!("{LIST}/{}", placed.order.id)));
    if settled.is_some() {
        response.insert_header(prefer::WAIT_APPLIED);
    }
    if placed.replayed {
        response.insert_header(REPLAYED);
    }
    Ok(response.json(OrderView::from(&settled.unwrap_or(placed.order))))
}

/// Marks a response that repeats the result of an earlier request with the same key.
pub(crate) const REPLAYED: (&str, &str) = ("Idempotent-Replayed", "true");

/// The checks before the body of a request that places orders is read. Returns the idempotency key.
pub(crate) fn begin_placing(
    state: &AppState,
    request: &HttpRequest,
) -> Result<Option<IdempotencyKey>, Problem> {
    state.refuse_while_shutting_down()?;
    // Before the body is read, because rejections have to be cheap under overload.
    state.batcher.check_capacity()?;
    Query::refuse_any(request)?;
    idempotency::key(request)
}

/// `GET /api/v1/orders`.
pub(crate) async fn list(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::parse(&request, &["limit", "cursor", "status", "product_id"])?;
    let filter = filter(&query)?;
    let orders = OrderList {
        orders: Arc::clone(&state.orders),
        scope: CursorScope::orders(&filter),
        filter,
    };
    list::respond(&request, &query, orders).await
}

/// Orders, newest first.
struct OrderList {
    orders: Arc<dyn OrderQueries>,
    filter: OrderFilter,
    scope: CursorScope,
}

impl List for OrderList {
    type Item = Order;
    type Key = OrderId;
    type View<'a> = OrderView<'a>;

    async fn read(&self, after: Option<OrderId>, limit: u32) -> Result<Vec<Order>, StoreError> {
        self.orders.list_orders(&self.filter, after, limit).await
    }

    fn parse_cursor(&self, cursor: &str) -> Result<OrderId, Problem> {
        self.scope.parse_order(cursor)
    }

    fn key(order: &Order) -> OrderId {
        order.id
    }

    fn view(order: &Order) -> OrderView<'_> {
        OrderView::from(order)
    }

    fn page_after(&self, id: &OrderId, limit: u32) -> NextPage {
        let product_id = self.filter.product_id.as_ref();
        NextPage::new(LIST, limit, self.scope.after_order(*id))
            .with("status", self.filter.status.map(OrderStatus::as_str))
            .with("product_id", product_id.map(ProductId::as_str))
    }
}

fn filter(query: &Query) -> Result<OrderFilter, Problem> {
    let status = query.get("status").map(|text| {
        OrderStatus::from_word(text).ok_or_else(|| {
            query::invalid(
                "status",
                &format!("must be one of {}", status::all_statuses()),
            )
        })
    });
    let product_id = query.get("product_id").map(|text| {
        ProductId::parse_stored(text)
            .map_err(|error| query::invalid("product_id", &error.to_string()))
    });
    Ok(OrderFilter {
        status: status.transpose()?,
        product_id: product_id.transpose()?,
    })
}

/// `GET /api/v1/orders/{id}`.
pub(crate) async fn show(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    Query::refuse_any(&request)?;
    let id = path::order_id(&request)?.ok_or_else(not_found)?;
    let order = state.orders.find_order(id).await?.ok_or_else(not_found)?;
    let version = etag::of(&order);
    if Condition::if_none_match(&request).matches(&version) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, version))
            .finish());
    }
    Ok(render(&order))
}

/// `PATCH /api/v1/orders/{id}`.
pub(crate) async fn change_status(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    Query::refuse_any(&request)?;
    let id = path::order_id(&request)?;
    let change = status::parse(&body::read(&request, payload).await?)?;
    let id = id.ok_or_else(not_found)?;
    let expected = Condition::if_match(&request);
    let is_expected = |order: &Order| expected.allows_change_of(&etag::of(order));
    let changed = match change {
        Change::To(status) => state.change_status.change(id, status, is_expected).await,
        Change::ShipPart(vendor_id) => {
            let change_status = &state.change_status;
            change_status.ship_part(id, &vendor_id, is_expected).await
        }
    };
    Ok(render(&changed?.order))
}

fn not_found() -> Problem {
    Problem::not_found("order not found")
}

fn render(order: &Order) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag::of(order)))
        .json(OrderView::from(order))
}
