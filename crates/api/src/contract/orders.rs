//! Orders.

use domain::order::OrderStatus;
use serde_json::json;
use utoipa::openapi::path::Parameter;

use super::answer::Answer;
use super::headers::{ETAG, LOCATION, PREFERENCE_APPLIED, REPLAYED};
use super::parameters::{header, idempotency_key, order_id, paging, query};
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

/// `POST /api/v1/order`: the same, under the path of the original.
pub(crate) fn place_at_original_path() -> Contract {
    placing("place_order_at_original_path")
}

fn placing(id: &'static str) -> Contract {
    let accepted = linked(Answer::json::<OrderView<'_>>(
        "The order, taken: it survives any crash from now on, and is settled exactly once.",
    ));
    Contract::new(id, TAG, "Places an order")
        .description(
            "The order is taken durably, as `PENDING`, and settled a moment later. Whether the \
             product exists and has stock is decided then.",
        )
        .parameters([idempotency_key(), prefer()])
        .body(order::contract())
        .answer(202, accepted.header(LOCATION).header(REPLAYED))
        .answer(201, settled())
        .problems(&[
            ProblemKind::IdempotencyKeyReused,
            ProblemKind::OutcomeUnknown,
        ])
}

/// How long the client would wait for settlement; what is not understood is ignored, so there is nothing to narrow it to.
fn prefer() -> Parameter {
    let example = json!("wait=5");
    header(
        "Prefer",
        schemas::string().examples([example]),
        "`wait=N` (RFC 7240), 1 to 30 seconds: the answer waits for settlement so long, and is 201 if \
         it came in time. Anything else is ignored.",
    )
}

/// The answer to a client that preferred to wait, and did not wait in vain.
fn settled() -> Answer {
    linked(Answer::json::<OrderView<'_>>(
        "The order, settled within the time that `Prefer` names, also if it was rejected.",
    ))
    .header(LOCATION)
    .header(REPLAYED)
    .header(PREFERENCE_APPLIED)
}

/// What an answer with one order is good for.
fn linked(answer: Answer) -> Answer {
    let id = ("id", "$response.body#/id");
    answer
        .link("show", "show_order", id, "Reads the order.")
        .link(
            "change",
            "change_order_status",
            id,
            "Changes the order's status.",
        )
}

/// `POST /api/v1/orders/batch`.
pub(crate) fn place_batch() -> Contract {
    let answer = Answer::json::<BatchView<'_>>(
        "What became of each item, in their order: 202 and the order, or the status and the \
         problem for which it was refused.",
    );
    Contract::new("place_orders", TAG, "Places up to 1,000 orders")
        .description(
            "What is not refused is taken together, or not at all. What is wrong with one item \
             is told in its place, and does not keep the others from being taken. An \
             `Idempotency-Key` is the whole batch's.",
        )
        .parameters([idempotency_key()])
        .body(batch::contract())
        .answer(207, answer.header(REPLAYED))
        .problems(&[
            ProblemKind::IdempotencyKeyReused,
            ProblemKind::OutcomeUnknown,
        ])
}

/// `GET /api/v1/orders`.
pub(crate) fn list() -> Contract {
    let page = list::answer_of::<OrderView<'_>>("Orders, newest first.");
    let page = page.link(
        "show_first",
        "show_order",
        ("id", "$response.body#/items/0/id"),
        "Reads the newest order.",
    );
    let status = schemas::words(OrderStatus::ALL.iter().map(|status| status.as_str()));
    Contract::new("list_orders", TAG, "Lists orders, newest first")
        .description(list::DESCRIPTION)
        .parameters(paging())
        .parameters([
            query("status", status, "Only orders that are in this status."),
            query(
                "product_id",
                schemas::product_id(),
                "Only orders of this product.",
            ),
        ])
        .answer(200, page)
}

/// `GET /api/v1/orders/{id}`.
pub(crate) fn show() -> Contract {
    let if_none_match = header(
        "If-None-Match",
        tags(),
        "Versions that the client has already: if the order is in one of them, the answer is 304.",
    );
    Contract::new("show_order", TAG, "Shows an order")
        .parameters([order_id(), if_none_match])
        .answer(
            200,
            Answer::json::<OrderView<'_>>("The order.").header(ETAG),
        )
        .answer(
            304,
            Answer::empty("The order is in a version that `If-None-Match` names.").header(ETAG),
        )
        .problems(&[ProblemKind::NotFound])
}

/// `PATCH /api/v1/orders/{id}`.
pub(crate) fn change_status() -> Contract {
    let if_match = header(
        "If-Match",
        tags(),
        "The versions that may be changed; if the order is in another, the answer is 412 and \
         nothing changes.",
    );
    let id = ("id", "$response.body#/id");
    let answer = Answer::json::<OrderView<'_>>("The order as it is now.")
        .header(ETAG)
        .link("show", "show_order", id, "Reads the order.");
    Contract::new("change_order_status", TAG, "Changes an order's status")
        .description(
            "An order moves from `PENDING` to `REJECTED` or `CANCELLED`, from `CONFIRMED` to \
             `SHIPPED` or `CANCELLED`, and from `SHIPPED` to `DELIVERED`. Only settlement makes \
             it `CONFIRMED`. To the status that it has already, nothing changes. Cancelling \
             gives the order's stock back, once.\n\n\
             `SHIPPED` states that the vendors' own counts no longer hold the units: report it \
             when a vendor has taken them out of its stock, not when a label is printed. The \
             units stay in flight until a vendor's report is proven to have been counted after \
             that.\n\n\
             An order that several vendors supply is shipped in parts: with `vendor_id`, that \
             vendor's part was shipped. The order stays `CONFIRMED`, in a new version, until \
             each part is shipped, and is `SHIPPED` then; without `vendor_id`, every part that \
             was not shipped before is. A part that was shipped already keeps the time of its \
             first shipment, and nothing changes. An order of which a part was shipped cannot \
             be cancelled (409, which names the vendor). A vendor that supplies no unit of the \
             order is 422 at `/vendor_id`, and so is `vendor_id` with another status.",
        )
        .parameters([order_id(), if_match])
        .body(status::contract())
        .answer(200, answer)
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
