//! Changes as they happen.

use serde_json::json;

use super::answer::Answer;
use super::parameters::header;
use super::{Contract, schemas};
use crate::problem::ProblemKind;

/// `GET /api/v1/events`.
pub(crate) fn stream() -> Contract {
    let position = schemas::string()
        .pattern(Some("^(0|[1-9][0-9]*)-(0|[1-9][0-9]*)$"))
        .examples([json!("817-42")]);
    let text =
        schemas::string().examples([json!("id: 817-42\nevent: order\ndata: {\"id\": 42, …}\n\n")]);
    Contract::new("stream_events", "events", "Streams changes as they happen")
        .description(
            "Server-sent events (WHATWG HTML, section 9.2), of orders and of stock, whichever \
             process changed them. `order` has the order in its data, as `/api/v1/orders/{id}` has \
             it, and `stock` the product, as an item of `/api/v1/stock`. Each tells how things are \
             by the time it is sent, so several changes may come as one, and one may come twice. \
             `reset` says that what came before is not known any more, so lists are to be loaded \
             anew; `dropped`, the last one, that things change faster than they can be sent to this client, or \
             that the store cannot answer; `closing`, the last one too, that the service shuts down. \
             After either, `Last-Event-ID` goes on where the client was: what one transaction \
             changed bears its `id` at its last event only, so that nothing is lost in between. A \
             comment comes after 15 seconds of silence.",
        )
        .parameters([header(
            "Last-Event-ID",
            position,
            "The `id` of the last event that the client has: everything since then comes first. \
             Without it the stream begins now.",
        )])
        .answer(
            200,
            Answer::empty("Events, until one side ends it.").content("text/event-stream", text),
        )
        .problems(&[ProblemKind::MalformedRequest])
}
