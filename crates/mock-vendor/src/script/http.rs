//! Scripted vendors that serve their report over HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer};
use futures_util::stream::{self, Stream, StreamExt};
use jiff::Timestamp;

use super::auth::{Auth, Tokens};
use super::fault::Fault;
use super::pages::{Page, Pages};
use super::plan::{Plan, Situation};

/// Pause after the last part of a body that is not complete: the server discards what it did not send when a body fails.
const SEND_PAUSE: Duration = Duration::from_millis(50);

/// Where a report is served, and to which requests.
#[derive(Debug)]
pub(super) struct HttpVendor {
    pub(super) listen: SocketAddr,
    pub(super) path: String,
    pub(super) auth: Option<Auth>,
    pub(super) pages: Option<Pages>,
    /// Every request for the report is redirected to this URL.
    pub(super) redirect: Option<String>,
}

/// A vendor with its progress.
struct Serving {
    vendor: HttpVendor,
    plan: Plan,
    requests: Arc<AtomicU64>,
    tokens: Tokens,
}

/// Starts a server. `requests` counts the requests for the report that were authenticated.
pub(super) fn start(
    vendor: HttpVendor,
    plan: Plan,
    requests: Arc<AtomicU64>,
) -> io::Result<(ServerHandle, SocketAddr)> {
    let listen = vendor.listen;
    let serving = Data::new(Serving {
        vendor,
        plan,
        requests,
        tokens: Tokens::default(),
    });
    let server = HttpServer::new(move || {
        let serving = serving.clone();
        App::new().configure(|app| {
            let vendor = &serving.vendor;
            app.app_data(serving.clone())
                .service(web::resource(&vendor.path).get(report));
            if let Some(path) = vendor.auth.as_ref().and_then(Auth::token_path) {
                app.service(web::resource(path).post(token));
            }
        })
    })
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let running = server.run();
    let handle = running.handle();
    tokio::spawn(running);
    Ok((handle, address))
}

async fn token(request: HttpRequest, body: Bytes, serving: Data<Serving>) -> HttpResponse {
    let Some(auth) = &serving.vendor.auth else {
        return HttpResponse::NotFound().finish();
    };
    let (code, body) = auth.issue(&request, &body, &serving.tokens);
    HttpResponse::build(status(code))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(body)
}

async fn report(request: HttpRequest, serving: Data<Serving>) -> HttpResponse {
    let Serving {
        vendor,
        plan,
        requests,
        tokens,
    } = serving.get_ref();
    if let Some(auth) = &vendor.auth
        && !auth.accepts(&request, tokens)
    {
        let scheme = match auth {
            Auth::Basic { .. } => "Basic realm=\"stock\"",
            _ => "Bearer",
        };
        return HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, scheme))
            .finish();
    }
    let situation = plan.at(requests.fetch_add(1, Ordering::SeqCst));
    if let Some(to) = &vendor.redirect {
        return redirect(302, to);
    }
    match &situation.fault {
        Some(Fault::Hang {}) => return std::future::pending().await,
        Some(Fault::Delay { ms }) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Some(Fault::Status { status: code }) if *code != 206 => {
            return HttpResponse::build(status(*code)).finish();
        }
        Some(Fault::RetryAfter {
            status: code,
            value,
        }) => {
            return HttpResponse::build(status(*code))
                .insert_header((RETRY_AFTER, value.as_str()))
                .finish();
        }
        Some(Fault::Redirect { status, to }) => return redirect(*status, to),
        _ => {}
    }
    let page = match &vendor.pages {
        None => None,
        Some(pages) => {
            let fault = situation.fault.as_ref();
            let url = url_of(&request);
            match pages.select(request.query_string(), situation.products(), &url, fault) {
                Ok(page) => Some(page),
                Err(problem) => return HttpResponse::BadRequest().body(problem),
            }
        }
    };
    match plan.document(situation, Timestamp::now(), page.as_ref()) {
        Ok(bytes) => document(plan, situation, page.as_ref(), Bytes::from(bytes)),
        Err(problem) => HttpResponse::InternalServerError().body(problem),
    }
}

/// The URL of the report, without its query.
fn url_of(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    let [scheme, host] = [connection.scheme(), connection.host()];
    format!("{scheme}://{host}{}", request.path())
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn redirect(code: u16, to: &str) -> HttpResponse {
    HttpResponse::build(status(code))
        .insert_header((LOCATION, to))
        .finish()
}

/// The response with a document.
fn document(plan: &Plan, situation: &Situation, page: Option<&Page>, bytes: Bytes) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    let compression = &situation.compression;
    let media_type = match situation.fault {
        Some(Fault::Html {}) => "text/html",
        Some(Fault::ErrorObject {}) => "application/json",
        _ => compression
            .media_type()
            .unwrap_or_else(|| plan.format.media_type()),
    };
    response.insert_header((CONTENT_TYPE, media_type));
    if let Some(coding) = compression.content_encoding() {
        response.insert_header((CONTENT_ENCODING, coding));
    }
    if let Some(link) = page.and_then(|page| page.link.as_deref()) {
        response.insert_header((LINK, link));
    }
    for (name, value) in &situation.headers {
        response.insert_header((name.as_str(), value.as_str()));
    }
    send(response, situation.fault.as_ref(), bytes)
}

/// The response with a body that a fault may spoil.
fn send(mut response: HttpResponseBuilder, fault: Option<&Fault>, bytes: Bytes) -> HttpResponse {
    let length = bytes.len() as u64;
    let half = bytes.slice(..bytes.len() / 2);
    match fault {
        Some(Fault::Status { .. }) => response
            .status(StatusCode::PARTIAL_CONTENT)
            .insert_header((
                CONTENT_RANGE,
                format!("bytes 0-{}/{length}", half.len().saturating_sub(1)),
            ))
            .body(half),
        Some(Fault::Truncate {}) => sized(response, length, closed_after(half)),
        Some(Fault::Stall {}) => {
            let rest = stream::pending::<io::Result<Bytes>>();
            sized(response, length, stream::iter([Ok(half)]).chain(rest))
        }
        Some(Fault::ContentLength { add }) => {
            let declared = length.saturating_add_signed(*add);
            sized(response, declared, closed_after(bytes))
        }
        Some(Fault::Slow { bytes: size, ms }) => {
            let pause = Duration::from_millis(*ms);
            let size = *size;
            let pieces = stream::unfold(bytes, move |mut left| async move {
                if left.is_empty() {
                    return None;
                }
                tokio::time::sleep(pause).await;
                let piece = left.split_to(size.min(left.len()));
                Some((Ok::<_, io::Error>(piece), left))
            });
            sized(response, length, pieces)
        }
        _ => response.body(bytes),
    }
}

/// Sends bytes and closes the connection.
fn closed_after(bytes: Bytes) -> impl Stream<Item = io::Result<Bytes>> {
    let end = stream::once(async {
        tokio::time::sleep(SEND_PAUSE).await;
        Err(io::Error::other("response ended by the injected fault"))
    });
    stream::iter([Ok(bytes)]).chain(end)
}

fn sized(
    mut response: HttpResponseBuilder,
    length: u64,
    body: impl Stream<Item = io::Result<Bytes>> + 'static,
) -> HttpResponse {
    response.body(SizedStream::new(length, Box::pin(body)))
}
