//! `/healthz`, `/readyz` and `/metrics` of a worker, over HTTP.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder, web};
use metrics::MetricsPage;
use readiness::ReadinessProbe as _;
use serde::Serialize;

use crate::health::Health;

/// What each page answers.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Serves the pages on a socket that is bound already.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve(
    listener: TcpListener,
    health: Health,
    metrics: MetricsPage,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(health.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .wrap(DefaultHeaders::new().add((header::CACHE_CONTROL, "no-store")))
            .service(page("/healthz", healthz))
            .service(page("/readyz", readyz))
            .service(page("/metrics", metrics_page))
            .default_service(web::to(nothing_here))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?;
    Ok(server.run())
}

/// Binds the address of the pages.
///
/// # Errors
/// If it is taken or not this machine's.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
}

/// `GET`, and `HEAD` with it: the server leaves the body away.
fn page<F, Args>(path: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(other_method))
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(BTreeMap::from([("status", "alive")]))
}

async fn readyz(health: web::Data<Health>) -> HttpResponse {
    health.readiness().await.response()
}

async fn metrics_page(page: web::Data<MetricsPage>) -> HttpResponse {
    page.response().await
}

async fn other_method(request: HttpRequest) -> HttpResponse {
    let mut response = if request.method() == Method::OPTIONS {
        HttpResponse::NoContent().finish()
    } else {
        problem(StatusCode::METHOD_NOT_ALLOWED)
    };
    let allow = header::HeaderValue::from_static(ALLOW);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

async fn nothing_here() -> HttpResponse {
    problem(StatusCode::NOT_FOUND)
}

/// RFC 9457. A worker explains no kinds of problems; where the type is blank, the title is the status's own.
#[derive(Serialize)]
struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
}

fn problem(status: StatusCode) -> HttpResponse {
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
    };
    // Set before the body, whose own type would be plain JSON.
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/problem+json"))
        .json(problem)
}
