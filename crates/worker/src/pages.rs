//! `/healthz`, `/readyz` and `/metrics` of a worker, over HTTP, by the rules of access that the API has.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::{
    App, Error, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder, web,
};
use api_keys::{ApiKey, Role};
use http_access::{Host, HostRefusal, HostRule, Unauthenticated};
use metrics::MetricsPage;
use readiness::ReadinessProbe as _;
use serde::Serialize;
use thiserror::Error as ThisError;

use crate::health::Health;

/// The methods of each page.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Where the pages are, and who may read them.
#[derive(Debug, Clone)]
pub struct PagesOptions {
    /// Where to listen; port 0 lets the system choose. Only loopback without `keys`.
    pub address: SocketAddr,
    /// With any, `/metrics` needs one with the role operator.
    pub keys: Vec<ApiKey>,
    /// Hosts that requests may name beside loopback. With keys and none of these, any.
    pub allowed_hosts: Vec<Host>,
}

/// Why the pages cannot be served.
#[derive(Debug, ThisError)]
pub enum BindError {
    /// They would be open to other machines.
    #[error(
        "without API keys the pages of a worker are for this machine only, and {0} is open to others: add [[api_keys]] to \
         the settings, or set worker.address to 127.0.0.1"
    )]
    Exposed(IpAddr),
    /// The address is taken, or not one of this machine.
    #[error("cannot listen on {address} (settings worker.address, WORKER_PORT)")]
    Io {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        reason: io::Error,
    },
}

/// Checks and binds the address of the pages.
///
/// # Errors
/// [`BindError`].
pub fn bind(options: &PagesOptions) -> Result<TcpListener, BindError> {
    let address = options.address;
    if http_access::is_exposed(address.ip(), !options.keys.is_empty()) {
        return Err(BindError::Exposed(address.ip()));
    }
    TcpListener::bind(address).map_err(|reason| BindError::Io { address, reason })
}

/// Serves the pages on a socket that is bound already.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve(
    listener: TcpListener,
    health: Health,
    metrics: MetricsPage,
    options: &PagesOptions,
) -> io::Result<Server> {
    let rules = web::Data::new(Rules {
        hosts: HostRule::new(&options.allowed_hosts, !options.keys.is_empty()),
        keys: options.keys.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(health.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .app_data(rules.clone())
            .wrap(from_fn(check_host))
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

/// Who may read the pages.
struct Rules {
    hosts: HostRule,
    keys: Vec<ApiKey>,
}

impl Rules {
    /// The response to a request for what is the operator's alone, unless the request presents a key with that role.
    fn refuse(&self, headers: &HeaderMap) -> Option<HttpResponse> {
        if self.keys.is_empty() {
            return None;
        }
        let found = http_access::bearer_key(headers).and_then(|key| {
            let found = api_keys::find(&self.keys, key);
            found.ok_or(Unauthenticated::WrongKey)
        });
        match found {
            Ok(key) if key.has(Role::Operator) => None,
            Ok(_) => {
                let scope = r#"Bearer error="insufficient_scope", scope="operator""#;
                Some(challenge(StatusCode::FORBIDDEN, scope))
            }
            Err(reason) => Some(challenge(StatusCode::UNAUTHORIZED, reason.challenge())),
        }
    }
}

fn challenge(status: StatusCode, challenge: &'static str) -> HttpResponse {
    let mut response = problem(status);
    let challenge = header::HeaderValue::from_static(challenge);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

async fn check_host<B: MessageBody>(
    rules: web::Data<Rules>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let status = match rules.hosts.check(request.head()) {
        Ok(()) => return Ok(next.call(request).await?.map_into_left_body()),
        Err(HostRefusal::Malformed) => StatusCode::BAD_REQUEST,
        Err(HostRefusal::Foreign) => StatusCode::MISDIRECTED_REQUEST,
    };
    Ok(request.into_response(problem(status)).map_into_right_body())
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

async fn metrics_page(
    request: HttpRequest,
    rules: web::Data<Rules>,
    page: web::Data<MetricsPage>,
) -> HttpResponse {
    match rules.refuse(request.headers()) {
        Some(refusal) => refusal,
        None => page.response().await,
    }
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
