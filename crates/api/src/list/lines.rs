//! A list as lines: one JSON object each, the whole list in one answer, however long it is.
//!
//! The list is read in steps, the next one only when the client has taken what the step before gave. So memory is that of
//! one step, a slow client keeps neither rows nor a connection of the store, and one that goes away ends the reading. What
//! changes meanwhile may show: each item is as it was when its step was read, and no item comes twice.
//!
//! If the store fails on the way, the answer is broken off without its end, so that no client takes it for complete.

use std::error::Error;
use std::fmt;

use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::{self, Stream};
use tracing::error;

use super::page::{NextPage, with_next};
use super::{List, read_page};
use crate::failure;
use crate::problem::Problem;

/// Items read at a time.
const STEP: u32 = 500;

pub(super) const MEDIA_TYPE: &str = "application/x-ndjson";

/// Why an answer was broken off. Nobody reads it: it is logged where it happens.
#[derive(Debug)]
struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list broke off")
    }
}

impl Error for BrokenOff {}

/// Answers the list; with a limit so many lines of it, and where the next ones are.
pub(super) async fn answer<L: List>(
    request: &HttpRequest,
    list: L,
    after: Option<L::Key>,
    limit: Option<u32>,
) -> Result<HttpResponse, Problem> {
    if let Some(limit) = limit {
        let (items, next) = read_page(&list, after, limit).await?;
        return whole::<L>(next.as_ref(), &items);
    }
    // Before the head is sent, so that a store that is away is a problem like any other.
    let first = list.read(after, STEP).await;
    let first = first.map_err(|failure| failure::of_store(&failure))?;
    if is_last(&first) {
        return whole::<L>(None, &first);
    }
    let mut response = with_next(None);
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
    if *request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, BrokenOff>>()));
    }
    Ok(response.streaming(steps(list, first)))
}

/// An answer that is known as a whole.
fn whole<L: List>(next: Option<&NextPage>, items: &[L::Item]) -> Result<HttpResponse, Problem> {
    let lines = lines::<L>(items)
        .map_err(|BrokenOff| Problem::unavailable("the list cannot be written"))?;
    let mut response = with_next(next);
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
    Ok(response.body(lines))
}

/// Where the reading is.
enum Step<L: List> {
    /// These are read and to be given.
    Give(L, Vec<L::Item>),
    /// The next are to be read, after this key.
    Read(L, L::Key),
    End,
}

/// The list from its first step on.
fn steps<L: List>(list: L, first: Vec<L::Item>) -> impl Stream<Item = Result<Bytes, BrokenOff>> {
    stream::try_unfold(Step::Give(list, first), |step| async move {
        let (list, items) = match step {
            Step::Give(list, items) => (list, items),
            Step::Read(list, after) => {
                let read = list.read(Some(after), STEP).await;
                let items = read.map_err(|failure| {
                    failure::in_answer(&failure);
                    BrokenOff
                })?;
                (list, items)
            }
            Step::End => return Ok(None),
        };
        let Some(end) = items.last() else {
            return Ok(None);
        };
        let next = if is_last(&items) {
            Step::End
        } else {
            Step::Read(list, L::key(end))
        };
        Ok(Some((lines::<L>(&items)?, next)))
    })
}

/// Whether a step is the last one: the store had no more to fill it with.
fn is_last<T>(items: &[T]) -> bool {
    items.len() < usize::try_from(STEP).unwrap_or(usize::MAX)
}

fn lines<L: List>(items: &[L::Item]) -> Result<Bytes, BrokenOff> {
    let mut bytes = Vec::new();
    for item in items {
        serde_json::to_writer(&mut bytes, &L::view(item)).map_err(|wrong| {
            error!(error = %wrong, "an item of a list cannot be written");
            BrokenOff
        })?;
        bytes.push(b'\n');
    }
    Ok(bytes.into())
}
