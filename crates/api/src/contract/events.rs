//! The event stream.

use serde_json::json;

use super::parameters::header;
use super::response::ResponseSpec;
use super::{Contract, schemas};
use crate::problem::ProblemKind;

/// `GET /api/v1/events`.
pub(crate) fn stream() -> Contract {
    let offset = schemas::string()
        .pattern(Some("^(0|[1-9][0-9]*)-(0|[1-9][0-9]*)$"))
        .examples([json!("817-42")]);
    let text =
        schemas::string().examples([json!("id: 817-42\nevent: order\ndata: {\"id\": 42, …}\n\n")]);
    Contract::new("stream_events", "events", "Stream changes")
        .description(
            "Server-sent events (WHATWG HTML, section 9.2) of changes to orders and stock, whichever \
             process made them. The data of `order` is the order, as in `/api/v1/orders/{id}`; the \
             data of `stock` is the product, as an item of `/api/v1/stock`. An event contains the \
             state at the time of sending: several changes may be merged into one event, and an \
             event may be repeated. `reset` means that earlier changes are no longer kept: reload \
             the lists. `dropped` ends the stream: changes occur faster than they can be sent on \
             this connection, or the store is unavailable. `closing` ends the stream too: the \
             service is shutting down. After either, reconnect with `Last-Event-ID` to resume. Only \
             the last event of a transaction has an `id`, so that no event is lost when a client \
             resumes. A comment is sent after 15 seconds without events.",
        )
        .parameters([header(
            "Last-Event-ID",
            offset,
            "The `id` of the last event that the client received: the stream resumes after it. \
             Without it the stream starts with the next change.",
        )])
        .response(
            200,
            ResponseSpec::empty("The event stream.").content("text/event-stream", text),
        )
        .problems(&[ProblemKind::MalformedRequest])
}
