//! Chunked request bodies that a handler does not read to the end.
//!
//! To reuse the connection, the HTTP server reads and discards the rest of such a body, without a limit and without a
//! timeout, so a client could occupy a connection forever. If the body is still referenced when the response is sent, the
//! server instead closes the connection, after a pause in which the client can read the response. So the body is held until
//! then. The server already does this for bodies with a `Content-Length`.

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

/// Holds the body of a request until its response is sent.
pub(crate) async fn hold<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, ResponseBody>>, Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let shared = Rc::new(RefCell::new(request.take_payload()));
    let reader: Pin<Box<dyn Stream<Item = _>>> = Box::pin(Reader(Rc::clone(&shared)));
    request.set_payload(reader.into());
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| {
        EitherBody::right(ResponseBody {
            body: body.boxed(),
            _unread: shared,
        })
    }))
}

/// The body that the handler receives.
struct Reader(Shared);

impl Stream for Reader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// The body of a response, together with the body of its request.
pub(crate) struct ResponseBody {
    body: BoxBody,
    _unread: Shared,
}

impl MessageBody for ResponseBody {
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
