//! Contracts of the order endpoints.

use domain::order::OrderStatus;
use serde_json::json;
use utoipa::openapi::path::Parameter;

use super::headers::{ETAG, LOCATION, PREFERENCE_APPLIED, REPLAYED};
use super::parameters::{header, idempotency_key, order_id, paging, query};
use super::response::ResponseSpec;
use super::{Contract, schemas};
use crate::batch::BatchView;
use crate::list;
use crate::problem::ProblemKind;
use crate::request::{batch, order, status};
use crate::views::OrderView;

const TAG: &str = "orders";

/// `POST /api/v1/orders`.
pub(crate) fn place() -> Contract {
    placing("place_order")
}

/// `POST /api/v1/order`: the same operation at the path of the original.
pub(crate) fn place_at_original_path() -> Contract {
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
    header(
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

/// `POST /api/v1/orders/batch`.
pub(crate) fn place_batch() -> Contract {
    let results = ResponseSpec::json::<BatchView<'_>>(
        "The result of each item, in request order: 202 and the order, or the status and the \
         problem of a rejected item.",
    );
    Contract::new("place_orders", TAG, "Place up to 1,000 orders")
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

/// `GET /api/v1/orders`.
pub(crate) fn list() -> Contract {
    let page = list::response_of::<OrderView<'_>>("Orders, newest first.");
    let page = page.link(
        "show_first",
        "show_order",
        ("id", "$response.body#/items/0/id"),
        "Read the newest order.",
    );
    let status = schemas::string_enum(OrderStatus::ALL.iter().map(|status| status.as_str()));
    Contract::new("list_orders", TAG, "List orders")
        .description(list::DESCRIPTION)
        .parameters(paging())
        .parameters([
            query("status", status, "Only orders with this status."),
            query(
                "product_id",
                schemas::product_id(),
                "Only orders of this product.",
            ),
        ])
        .response(200, page)
}

/// `GET /api/v1/orders/{id}`.
pub(crate) fn show() -> Contract {
    let if_none_match = header(
        "If-None-Match",
        tags(),
        "Versions that the client already has: returns 304 if the order's current version is one of them.",
    );
    Contract::new("show_order", TAG, "Get an order")
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
pub(crate) fn change_status() -> Contract {
    let if_match = header(
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
fn tags() -> utoipa::openapi::schema::ObjectBuilder {
    schemas::string().examples([json!("\"42-CONFIRMED-6447c1d7a2f00\"")])
}
