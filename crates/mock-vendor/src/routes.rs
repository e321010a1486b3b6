//! The vendor's HTTP routes and handlers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, RETRY_AFTER};
use actix_web::web::{self, Bytes, Data, Json, JsonConfig, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;

use crate::state::{Fault, State};

/// Maximum size of a control request's body: enough for millions of products.
const MAX_CONTROL_BYTES: usize = 512 * 1024 * 1024;

pub(crate) fn configure(app: &mut ServiceConfig, path: &str, state: Arc<State>) {
    app.app_data(Data::from(state))
        .app_data(JsonConfig::default().limit(MAX_CONTROL_BYTES))
        .service(web::resource(path).get(report))
        .service(web::resource("/control/stock").put(set_stock))
        .service(web::resource("/control/as-of").put(set_as_of))
        .service(web::resource("/control/fault").put(set_fault));
}

async fn report(state: Data<State>) -> HttpResponse {
    let response = state.next_response();
    match response.fault {
        Fault::None => json(response.report),
        Fault::Status { status } => HttpResponse::new(
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        ),
        Fault::RetryAfter { status, value } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            HttpResponse::build(status)
                .insert_header((RETRY_AFTER, value))
                .finish()
        }
        Fault::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            json(response.report)
        }
        Fault::Truncate => truncated(&response.report),
        Fault::Stall => half_then(&response.report, stream::pending()),
        Fault::Garbage => json(Bytes::from_static(b"<html>out of order</html>")),
        Fault::Hang => std::future::pending().await,
        Fault::Huge => endless(),
        Fault::Body { body } => json(Bytes::from(body)),
    }
}

fn json(body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(body)
}

/// Sends half of the report and closes the connection.
fn truncated(report: &Bytes) -> HttpResponse {
    let end = stream::once(async {
        // When a body fails, the server discards its unsent part: give it time to send the first half.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::Error::other("response truncated by the injected fault"))
    });
    half_then(report, end)
}

/// Declares the report's full length, sends half of it and continues with `rest`.
fn half_then(
    report: &Bytes,
    rest: impl Stream<Item = io::Result<Bytes>> + 'static,
) -> HttpResponse {
    let content_length = u64::try_from(report.len()).unwrap_or(u64::MAX);
    let half = report.slice(..report.len() / 2);
    let body = stream::iter([Ok(half)]).chain(Box::pin(rest));
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(SizedStream::new(content_length, body))
}

/// Streams an endless list.
fn endless() -> HttpResponse {
    let chunk = Bytes::from(r#"{"productId":"1","quantity":1},"#.repeat(2_048));
    let start = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"["))]);
    let rest = stream::repeat_with(move || Ok(chunk.clone()));
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .streaming(start.chain(rest))
}

async fn set_stock(state: Data<State>, stock: Json<BTreeMap<String, i64>>) -> impl Responder {
    state.set_stock(stock.into_inner().into_iter());
    HttpResponse::NoContent()
}

async fn set_as_of(state: Data<State>, as_of: Json<Option<String>>) -> impl Responder {
    state.set_as_of(as_of.into_inner());
    HttpResponse::NoContent()
}

#[derive(Debug, Deserialize)]
struct FaultRequest {
    #[serde(flatten)]
    fault: Fault,
    times: Option<u32>,
}

async fn set_fault(state: Data<State>, request: Json<FaultRequest>) -> impl Responder {
    let FaultRequest { fault, times } = request.into_inner();
    state.set_fault(fault, times);
    HttpResponse::NoContent()
}
