//! Batches of orders over HTTP.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use domain::order::Order;
use domain::services::NewBatch;
use serde::Serialize;
use utoipa::ToSchema;

use super::orders;
use crate::middleware::trace;
use crate::openapi::headers::REPLAYED;
use crate::openapi::parameters::idempotency_key;
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Document, Problem, ProblemKind};
use crate::request::{batch, body};
use crate::state::AppState;
use crate::views::OrderView;

/// `POST /api/v1/orders/batch`. Accepts the valid items in one transaction, and responds with a result for each item, in the
/// format of a single order.
pub(crate) async fn place(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let key = orders::begin_placing(&state, &request)?;
    let body = body::read_at_most(body::MAX_BATCH_BYTES, &request, payload).await?;
    let batch = batch::parse(&body)?;
    let valid = batch.items.iter().filter_map(|item| item.as_ref().ok());
    let placed = state
        .batcher
        .place_all(NewBatch {
            requests: valid.cloned().collect(),
            key: key.map(|key| (key, batch.digest)),
            trace: trace::context(&request),
        })
        .await?;

    let mut response = HttpResponse::build(StatusCode::MULTI_STATUS);
    if placed.replayed {
        response.insert_header(orders::IS_REPLAYED);
    }
    let mut accepted = placed.orders.iter();
    let items = batch.items.into_iter().map(|item| match item {
        Ok(_) => accepted.next().ok_or_else(missing_order),
        Err(errors) => Err(Problem::invalid(errors)),
    });
    let items: Vec<Result<&Order, Problem>> = items.collect();
    Ok(response.json(BatchView {
        items: items.iter().map(ItemView::from).collect(),
    }))
}

/// The contract of `POST /api/v1/orders/batch`.
pub(crate) fn place_contract() -> Contract {
    let results = ResponseSpec::json::<BatchView<'_>>(
        "The result of each item, in request order: 202 and the order, or the status and the \
         problem of a rejected item.",
    );
    Contract::new("place_orders", "orders", "Place up to 1,000 orders")
        .description(
            "All valid items are accepted in one transaction, or none. An invalid item is rejected \
             on its own and does not affect the others. An `Idempotency-Key` applies to the whole \
             batch.",
        )
        .parameters([idempotency_key()])
        .body(batch::contract())
        .response(207, results.header(REPLAYED))
        .problems(&[
            ProblemKind::IdempotencyKeyReused,
            ProblemKind::OutcomeUnknown,
        ])
}

/// The result of an item whose order is missing from the batcher's result. This is a bug; the item must not be reported as
/// rejected.
fn missing_order() -> Problem {
    Problem::unavailable("the order was accepted, but cannot be shown")
}

/// The results of the items of a batch, in request order.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
pub(crate) struct BatchView<'a> {
    items: Vec<ItemView<'a>>,
}

/// The result of one item of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchItem)]
#[serde(untagged)]
enum ItemView<'a> {
    Accepted(AcceptedView<'a>),
    Rejected(RejectedView<'a>),
}

/// An accepted item of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedItem)]
struct AcceptedView<'a> {
    /// Always 202.
    #[schema(minimum = 202, maximum = 202)]
    status: u16,
    order: OrderView<'a>,
}

/// A rejected item of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedItem)]
struct RejectedView<'a> {
    #[schema(schema_with = schemas::error_status)]
    status: u16,
    problem: Document<'a>,
}

impl<'a> From<&'a Result<&'a Order, Problem>> for ItemView<'a> {
    fn from(item: &'a Result<&'a Order, Problem>) -> Self {
        match item {
            Ok(order) => Self::Accepted(AcceptedView {
                status: StatusCode::ACCEPTED.as_u16(),
                order: OrderView::from(*order),
            }),
            Err(problem) => Self::Rejected(RejectedView {
                status: problem.kind().status().as_u16(),
                problem: problem.document(),
            }),
        }
    }
}
