//! Bodies of unknown length that a handler does not read to their end.
//!
//! The HTTP server reads such a body on, and throws it away, to use the connection again: without a limit and without a
//! timeout, so that a client could hold a connection for good. It closes the connection, after a pause that lets the client
//! read the answer, if the body is still wanted when the answer is out. So the body is held for so long. A body whose length
//! is announced is treated like that by the server itself.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage as _};
use futures_util::Stream;

type Shared = Rc<RefCell<Payload>>;

/// Holds the body of a request until its answer is out.
pub(crate) async fn hold<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Answer>>, Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let shared = Rc::new(RefCell::new(request.take_payload()));
    let reader: Pin<Box<dyn Stream<Item = _>>> = Box::pin(Reader(Rc::clone(&shared)));
    request.set_payload(reader.into());
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| {
        EitherBody::right(Answer {
            body: body.boxed(),
            _unread: shared,
        })
    }))
}

/// What the handler gets for the body.
struct Reader(Shared);

impl Stream for Reader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// An answer, and the body of its request.
pub(crate) struct Answer {
    body: BoxBody,
    _unread: Shared,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
