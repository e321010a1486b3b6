//! `GET /api/v1/events`: the stream of changes, as server-sent events (WHATWG HTML, section 9.2).

use std::convert::Infallible;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use domain::change_offset::ChangeOffset;
use futures_util::stream::{self, StreamExt as _};

use crate::problem::Problem;
use crate::request::header;
use crate::request::query::Query;
use crate::state::AppState;

const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Disables response buffering in proxies.
const UNBUFFERED: (&str, &str) = ("X-Accel-Buffering", "no");

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
