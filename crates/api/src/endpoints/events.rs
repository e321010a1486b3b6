//! `GET /api/v1/events`: the stream of changes, as server-sent events (WHATWG HTML, section 9.2).

use std::convert::Infallible;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::change_offset::ChangeOffset;
use futures_util::stream::{self, StreamExt as _};
use serde_json::json;

use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, parameters, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::header;
use crate::request::query::Query;
use crate::state::AppState;

const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Disables response buffering in proxies.
const UNBUFFERED: (&str, &str) = ("X-Accel-Buffering", "no");

/// `GET /api/v1/events`.
pub(crate) async fn stream(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    state.refuse_while_shutting_down()?;
    Query::refuse_any(&request)?;
    let after = last_event_id(&request)?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(UNBUFFERED);
    if *request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Infallible>>()));
    }
    let metrics = state.metrics.metrics().events().clone();
    let events = state
        .change_feed
        .subscribe(after, metrics, &state.shutdown)
        .await?;
    let events = events
        .ok_or_else(|| Problem::unavailable("the maximum number of event streams is open"))?;
    Ok(response.streaming(events.map(Ok::<Bytes, Infallible>)))
}

/// The change-log offset of the last event that the client received, if the client resumes a stream.
fn last_event_id(request: &HttpRequest) -> Result<Option<ChangeOffset>, Problem> {
    header::single(request, LAST_EVENT_ID)?
        .map(|text| ChangeOffset::parse(&text))
        .transpose()
        .map_err(|error| Problem::malformed(format!("the {LAST_EVENT_ID} {error}")))
}

/// The contract of `GET /api/v1/events`.
pub(crate) fn stream_contract() -> Contract {
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
        .parameters([parameters::header(
            LAST_EVENT_ID,
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
