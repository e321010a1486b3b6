//! A list as JSON lines: one JSON object per line, the whole list in one streamed response.
//!
//! The list is read in chunks, each only after the client has received the previous one. Memory is bounded by one chunk, a
//! slow client holds neither rows nor a store connection, and reading ends when the client disconnects. The stream is not a
//! snapshot: each item is in the state at the time its chunk was read, and no item is repeated.
//!
//! If the store fails midway, the response is aborted without its final chunk, so that clients can detect it.

use std::error::Error;
use std::fmt;

use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::{self, Stream};
use tracing::error;

use super::next_page::{NextPage, with_next};
use super::source::{List, read_page};
use crate::failure;
use crate::problem::Problem;

/// Items per read of the store.
const CHUNK: u32 = 500;

pub(super) const MEDIA_TYPE: &str = "application/x-ndjson";

/// Aborts a response. The cause is logged where the failure occurs.
#[derive(Debug)]
struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response was aborted")
    }
}

impl Error for Aborted {}

/// Responds with the whole list, or with one page of lines and a link to the next page if there is a limit.
pub(super) async fn respond<L: List>(
    request: &HttpRequest,
    list: L,
    after: Option<L::Key>,
    limit: Option<u32>,
) -> Result<HttpResponse, Problem> {
    if let Some(limit) = limit {
        let (items, next) = read_page(&list, after, limit).await?;
        return complete::<L>(next.as_ref(), &items);
    }
    // Read before the response starts, so that an unavailable store results in a problem.
    let first = list.read(after, CHUNK).await?;
    if is_last(&first) {
        return complete::<L>(None, &first);
    }
    let mut response = with_next(None);
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
    if *request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Aborted>>()));
    }
    Ok(response.streaming(chunks(list, first)))
}

/// A response whose lines are all known.
fn complete<L: List>(next: Option<&NextPage>, items: &[L::Item]) -> Result<HttpResponse, Problem> {
    let lines = lines::<L>(items)
        .map_err(|Aborted| Problem::unavailable("the list cannot be serialized"))?;
    let mut response = with_next(next);
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
    Ok(response.body(lines))
}

/// The state of a streamed list.
enum State<L: List> {
    /// Items that were read and are to be sent.
    Send(L, Vec<L::Item>),
    /// The next chunk is to be read, after this key.
    Read(L, L::Key),
    End,
}

/// Streams the list from its first chunk on.
fn chunks<L: List>(list: L, first: Vec<L::Item>) -> impl Stream<Item = Result<Bytes, Aborted>> {
    stream::try_unfold(State::Send(list, first), |state| async move {
        let (list, items) = match state {
            State::Send(list, items) => (list, items),
            State::Read(list, after) => {
                let read = list.read(Some(after), CHUNK).await;
                let items = read.map_err(|failure| {
                    failure::log_aborted_response(&failure);
                    Aborted
                })?;
                (list, items)
            }
            State::End => return Ok(None),
        };
        let Some(end) = items.last() else {
            return Ok(None);
        };
        let next = if is_last(&items) {
            State::End
        } else {
            State::Read(list, L::key(end))
        };
        Ok(Some((lines::<L>(&items)?, next)))
    })
}

/// Whether this chunk is the last one, because the store returned fewer items than requested.
fn is_last<T>(items: &[T]) -> bool {
    items.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX)
}

fn lines<L: List>(items: &[L::Item]) -> Result<Bytes, Aborted> {
    let mut bytes = Vec::new();
    for item in items {
        serde_json::to_writer(&mut bytes, &L::view(item)).map_err(|error| {
            error!(%error, "cannot serialize a list item");
            Aborted
        })?;
        bytes.push(b'\n');
    }
    Ok(bytes.into())
}
