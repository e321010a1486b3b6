//! Orders over HTTP.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use domain::identifiers::{IdempotencyKey, OrderId, ProductId};
use domain::order::{Order, OrderStatus};
use domain::ports::{NewOrder, OrderFilter, OrderQueries, StoreError};
use serde_json::json;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::ObjectBuilder;

use crate::cursor::CursorScope;
use crate::etag::{self, Condition};
use crate::list::{self, List, NextPage};
use crate::middleware::trace;
use crate::openapi::headers::{ETAG, LOCATION, PREFERENCE_APPLIED, REPLAYED};
use crate::openapi::parameters::{self, idempotency_key, order_id, paging};
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::query::{self, Query};
use crate::request::status::Change;
use crate::request::{body, idempotency, order, path, prefer, status};
use crate::state::AppState;
use crate::views::OrderView;

const TAG: &str = "orders";

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
    let since = state.change_feed.point();
    let placed = state
        .batcher
        .place(NewOrder {
            request: wanted,
            key,
            batch: None,
            trace: trace::context(&request),
        })
        .await?;
    let settled = match prefer::wait(&request) {
        Some(within) => {
            let (order, shutdown) = (&placed.order, &state.shutdown);
            let settled = state.change_feed.settled(order, since, within, shutdown);
            settled.await
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
        response.insert_header(IS_REPLAYED);
    }
    Ok(response.json(OrderView::from(&settled.unwrap_or(placed.order))))
}

/// The contract of `POST /api/v1/orders`.
pub(crate) fn place_contract() -> Contract {
    placing("place_order")
}

/// The contract of `POST /api/v1/order`: the same operation at the path of the original.
pub(crate) fn place_at_original_path_contract() -> Contract {
    placing("place_order_at_original_path")
}

fn placing(id: &'static str) -> Contract {
    let accepted = with_links(ResponseSpec::json::<OrderView<'_>>(
        "The accepted order. It survives any crash from now on, and is settled exactly once.",
    ));
    Contract::new(id, TAG, "Place an order")
        .description(
            "Stores the order durably as `PENDING`; it is settled shortly afterwards. Settlement \
             decides whether the product exists and has enough stock.",
        )
        .parameters([idempotency_key(), prefer()])
        .body(order::contract())
        .response(202, accepted.header(LOCATION).header(REPLAYED))
        .response(201, settled())
        .problems(&[
            ProblemKind::IdempotencyKeyReused,
            ProblemKind::OutcomeUnknown,
        ])
}

/// The `Prefer` header. Its schema has no pattern, because unsupported preferences are ignored.
fn prefer() -> Parameter {
    let example = json!("wait=5");
    parameters::header(
        "Prefer",
        schemas::string().examples([example]),
        "`wait=N` (RFC 7240), 1 to 30 seconds: waits up to this time for settlement, and returns 201 \
         if the order was settled in time. Other preferences are ignored.",
    )
}

/// The response to a client that waited until the order was settled.
fn settled() -> ResponseSpec {
    with_links(ResponseSpec::json::<OrderView<'_>>(
        "The order, settled within the time given in `Prefer`, even if it was rejected.",
    ))
    .header(LOCATION)
    .header(REPLAYED)
    .header(PREFERENCE_APPLIED)
}

/// Adds the links of a response with one order.
fn with_links(response: ResponseSpec) -> ResponseSpec {
    let id = ("id", "$response.body#/id");
    response
        .link("show", "show_order", id, "Read the order.")
        .link(
            "change",
            "change_order_status",
            id,
            "Change the order's status.",
        )
}

/// Marks a response that repeats the result of an earlier request with the same key.
pub(crate) const IS_REPLAYED: (&str, &str) = ("Idempotent-Replayed", "true");

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

/// The contract of `GET /api/v1/orders`.
pub(crate) fn list_contract() -> Contract {
    let page = list::response_of::<OrderView<'_>>("Orders, newest first.");
    let page = page.link(
        "show_first",
        "show_order",
        ("id", "$response.body#/items/0/id"),
        "Read the newest order.",
    );
    Contract::new("list_orders", TAG, "List orders")
        .description(list::DESCRIPTION)
        .parameters(paging())
        .parameters([
            parameters::query(
                "status",
                schemas::order_status(),
                "Only orders with this status.",
            ),
            parameters::query(
                "product_id",
                schemas::product_id(),
                "Only orders of this product.",
            ),
        ])
        .response(200, page)
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
        text.parse().map_err(|_| {
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

/// The contract of `GET /api/v1/orders/{id}`.
pub(crate) fn show_contract() -> Contract {
    let if_none_match = parameters::header(
        "If-None-Match",
        tags(),
        "Versions that the client already has: returns 304 if the order's current version is one of them.",
    );
    Contract::new("show_order", TAG, "Get an order")
        .description("Returns the order in its current state, and its version in `ETag`.")
        .parameters([order_id(), if_none_match])
        .response(
            200,
            ResponseSpec::json::<OrderView<'_>>("The order.").header(ETAG),
        )
        .response(
            304,
            ResponseSpec::empty("The order's version is listed in `If-None-Match`.").header(ETAG),
        )
        .problems(&[ProblemKind::NotFound])
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

/// The contract of `PATCH /api/v1/orders/{id}`.
pub(crate) fn change_status_contract() -> Contract {
    let if_match = parameters::header(
        "If-Match",
        tags(),
        "Expected versions: returns 412 without a change if the order's current version is not one \
         of them.",
    );
    let id = ("id", "$response.body#/id");
    let changed = ResponseSpec::json::<OrderView<'_>>("The order after the change.")
        .header(ETAG)
        .link("show", "show_order", id, "Read the order.");
    Contract::new("change_order_status", TAG, "Change an order's status")
        .description(
            "An order moves from `PENDING` to `REJECTED` or `CANCELLED`, from `CONFIRMED` to \
             `SHIPPED` or `CANCELLED`, and from `SHIPPED` to `DELIVERED`. Only settlement moves an \
             order to `CONFIRMED`. A change to the current status has no effect. Cancelling returns \
             the order's stock exactly once.\n\n\
             `SHIPPED` states that the vendors' own counts no longer include the units: report it \
             when a vendor has removed them from its stock, not when a label is printed. The \
             units stay in flight until a vendor's report is proven to have been counted after \
             that.\n\n\
             An order that is supplied by several vendors can be shipped in parts: with \
             `vendor_id`, only that vendor's part is marked as shipped. The order stays \
             `CONFIRMED`, in a new version, until every part is shipped, and is then `SHIPPED`. \
             Without `vendor_id`, all remaining parts are marked as shipped. Repeating the shipment \
             of a part has no effect and keeps the time of its first shipment. An order with a \
             shipped part cannot be cancelled (409, which names the vendor). A `vendor_id` that \
             supplies no unit of the order is rejected with 422 at `/vendor_id`, and so is \
             `vendor_id` with another status.",
        )
        .parameters([order_id(), if_match])
        .body(status::contract())
        .response(200, changed)
        .problems(&[
            ProblemKind::NotFound,
            ProblemKind::IllegalTransition,
            ProblemKind::PreconditionFailed,
            ProblemKind::OutcomeUnknown,
        ])
}

/// A list of entity tags, or `*`.
fn tags() -> ObjectBuilder {
    schemas::string().examples([json!("\"42-CONFIRMED-6447c1d7a2f00\"")])
}

fn not_found() -> Problem {
    Problem::not_found("order not found")
}

fn render(order: &Order) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag::of(order)))
        .json(OrderView::from(order))
}
