//! The health server of a worker: `/healthz`, `/readyz` and `/metrics`, with the access rules of the API.

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

/// The methods of each endpoint.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Options of the health server.
#[derive(Debug, Clone)]
pub struct PagesOptions {
    /// Address to listen on; port 0 lets the system choose. Must be loopback if `keys` is empty.
    pub address: SocketAddr,
    /// API keys; if not empty, `/metrics` requires a key with the role operator.
    pub keys: Vec<ApiKey>,
    /// Hosts that requests may name in addition to loopback. If empty and there are keys, every host is allowed.
    pub allowed_hosts: Vec<Host>,
}

/// Why the health server cannot listen.
#[derive(Debug, ThisError)]
pub enum BindError {
    /// The address would serve other machines without API keys.
    #[error(
        "without API keys a worker may listen on loopback only, not on {0}: add [[api_keys]] to the settings, or set \
         worker.address to 127.0.0.1"
    )]
    Exposed(IpAddr),
    /// The address is in use, or not an address of this machine.
    #[error("cannot listen on {address} (settings worker.address, WORKER_PORT)")]
    Io {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        reason: io::Error,
    },
}

/// Checks and binds the address of the health server.
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

/// Starts the health server on a bound socket.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve(
    listener: TcpListener,
    health: Health,
    metrics: MetricsPage,
    options: &PagesOptions,
) -> io::Result<Server> {
    let rules = web::Data::new(AccessRules {
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
            .service(endpoint("/healthz", healthz))
            .service(endpoint("/readyz", readyz))
            .service(endpoint("/metrics", metrics_page))
            .default_service(web::to(not_found))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?;
    Ok(server.run())
}

/// The access rules of the endpoints.
struct AccessRules {
    hosts: HostRule,
    keys: Vec<ApiKey>,
}

impl AccessRules {
    /// Returns the error response to a request that requires the role operator, or `None` if its key has that role or there
    /// are no keys.
    fn reject_unauthorized(&self, headers: &HeaderMap) -> Option<HttpResponse> {
        if self.keys.is_empty() {
            return None;
        }
        let found = http_access::bearer_key(headers).and_then(|key| {
            let found = api_keys::find(&self.keys, key);
            found.ok_or(Unauthenticated::UnknownKey)
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
    rules: web::Data<AccessRules>,
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

/// Serves `GET` and `HEAD`; the server omits the body of a response to `HEAD`.
fn endpoint<F, Args>(path: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(method_not_allowed))
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(BTreeMap::from([("status", "alive")]))
}

async fn readyz(health: web::Data<Health>) -> HttpResponse {
    health.readiness().await.response()
}

async fn metrics_page(
    request: HttpRequest,
    rules: web::Data<AccessRules>,
    page: web::Data<MetricsPage>,
) -> HttpResponse {
    match rules.reject_unauthorized(request.headers()) {
        Some(rejection) => rejection,
        None => page.response().await,
    }
}

async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let mut response = if request.method() == Method::OPTIONS {
        HttpResponse::NoContent().finish()
    } else {
        problem(StatusCode::METHOD_NOT_ALLOWED)
    };
    let allow = header::HeaderValue::from_static(ALLOW);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

async fn not_found() -> HttpResponse {
    problem(StatusCode::NOT_FOUND)
}

/// Problem details (RFC 9457). The type is `about:blank`, so the title is the reason phrase of the status.
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
    // `json` keeps a content type that is already set.
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/problem+json"))
        .json(problem)
}
