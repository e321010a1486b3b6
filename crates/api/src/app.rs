//! The application: the table of endpoints, and the middleware around them.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpRequest, HttpResponse, ResponseError};
use futures_util::FutureExt;
use metrics::{HttpRecorder, NO_ROUTE};
use tracing::error;

use crate::access::{self, Access, Authenticator};
use crate::contract::{self, service};
use crate::endpoint::{Endpoint, Path, endpoint, get, patch, post};
use crate::problem::{Problem, ProblemKind};
use crate::request::body::BodyTimeout;
use crate::state::AppState;
use crate::{
    batch, cors, docs, events, health, orders, problem_pages, response_headers, stock, unread_body,
    vendors,
};

/// The configuration of the middleware, shared by the threads of a server.
#[derive(Clone)]
pub(crate) struct HttpContext {
    pub(crate) authenticator: Data<Authenticator>,
    pub(crate) body_timeout: BodyTimeout,
    pub(crate) cors_origins: Arc<[String]>,
}

/// Builds the application. Middleware runs in reverse order: the last `wrap` sees a request first.
pub(crate) fn app(
    state: Data<AppState>,
    context: &HttpContext,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let app = App::new()
        .app_data(Rc::new(state.metrics.metrics().http().recorder()))
        .app_data(state)
        .app_data(context.authenticator.clone())
        .app_data(context.body_timeout);
    let app = endpoints()
        .into_iter()
        .fold(app, |app, endpoint| app.service(endpoint.resource()));
    app.default_service(web::to(unknown_path))
        .wrap(from_fn(access::authenticate))
        .wrap(from_fn(record))
        .wrap(cors::cors(&context.cors_origins))
        .wrap(from_fn(cors::render_rejections))
        .wrap(from_fn(response_headers::add))
        .wrap(from_fn(unread_body::hold))
}

/// Every endpoint, in matching order. The router and the OpenAPI document are both built from this table.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = vec![
        endpoint(
            "/",
            [get(Access::Open, health::describe, service::describe)],
        ),
        endpoint("/healthz", [get(Access::Open, health::live, service::live)]),
        endpoint(
            "/readyz",
            [get(Access::Open, health::ready, service::ready)],
        ),
        endpoint(
            "/metrics",
            [get(Access::OPERATOR, health::metrics, service::metrics)],
        ),
        endpoint(
            "/openapi.json",
            [get(Access::Open, docs::document, service::openapi)],
        ),
        endpoint("/docs", [get(Access::Open, docs::show, service::docs)]),
        endpoint(
            "/docs/{file}",
            [get(Access::Open, docs::file, service::docs_file)],
        ),
        endpoint(
            "/problems/{slug}",
            [get(
                Access::Open,
                problem_pages::show,
                service::problem_page,
            )],
        ),
        endpoint(
            "/api/v1/order",
            [post(
                Access::CUSTOMER,
                orders::place,
                contract::orders::place_at_original_path,
            )],
        ),
        endpoint(
            "/api/v1/orders",
            [
                get(Access::CUSTOMER, orders::list, contract::orders::list),
                post(Access::CUSTOMER, orders::place, contract::orders::place),
            ],
        ),
        // Must precede the path of one order, which would match it too.
        endpoint(
            "/api/v1/orders/batch",
            [post(
                Access::CUSTOMER,
                batch::place,
                contract::orders::place_batch,
            )],
        ),
        endpoint(
            "/api/v1/orders/{id}",
            [
                get(Access::CUSTOMER, orders::show, contract::orders::show),
                patch(
                    Access::OPERATOR,
                    orders::change_status,
                    contract::orders::change_status,
                ),
            ],
        ),
        endpoint(
            "/api/v1/stock",
            [get(Access::CUSTOMER, stock::list, contract::stock::list)],
        ),
        endpoint(
            "/api/v1/stock/{product_id}",
            [get(Access::CUSTOMER, stock::show, contract::stock::show)],
        ),
        endpoint(
            "/api/v1/events",
            [get(
                Access::CUSTOMER,
                events::stream,
                contract::events::stream,
            )],
        ),
    ];
    endpoints.extend(vendor_endpoints());
    endpoints
}

/// Endpoints of vendors, syncs and quarantined reports.
fn vendor_endpoints() -> Vec<Endpoint> {
    vec![
        endpoint(
            "/api/v1/vendors",
            [get(
                Access::OPERATOR,
                vendors::list,
                contract::vendors::list,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/sync",
            [post(
                Access::OPERATOR,
                vendors::sync,
                contract::vendors::sync,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/quarantine/accept",
            [post(
                Access::OPERATOR,
                vendors::accept_quarantined,
                contract::vendors::accept_quarantined,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/quarantine/discard",
            [post(
                Access::OPERATOR,
                vendors::discard_quarantined,
                contract::vendors::discard_quarantined,
            )],
        ),
    ]
}

/// The response to a method that the path does not support; `allow` lists the supported ones.
pub(crate) fn method_not_allowed(request: &HttpRequest, allow: &str) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        return options(allow);
    }
    let detail = format!("this path supports {allow}");
    let mut response = Problem::new(ProblemKind::MethodNotAllowed, detail).error_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

async fn unknown_path(request: HttpRequest) -> HttpResponse {
    // `OPTIONS *` applies to the server as a whole (RFC 9110, section 9.3.7).
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return options("GET, HEAD, POST, PATCH, OPTIONS");
    }
    Problem::not_found("no such path").error_response()
}

fn options(allow: &str) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ALLOW, allow))
        .finish()
}

/// Records each request in the metrics, and responds with 503 if its handler panics: a panic would close the connection and
/// drop the requests queued on it.
async fn record(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let recorder = request.app_data::<Rc<HttpRecorder>>().cloned();
    let (method, started) = (request.method().clone(), Instant::now());
    let result = AssertUnwindSafe(async { next.call(request).await });
    let result = result.catch_unwind().await.unwrap_or_else(|panic| {
        error!(
            panic = panic_message(panic.as_ref()),
            "request handler panicked"
        );
        Err(Problem::unavailable("the request failed unexpectedly").into())
    });
    if let Some(recorder) = recorder {
        let (route, status) = match &result {
            Ok(response) => {
                let path = response.request().app_data::<Path>();
                (path.map_or(NO_ROUTE, |path| path.0), response.status())
            }
            Err(error) => (NO_ROUTE, error.as_response_error().status_code()),
        };
        recorder.record(route, method.as_str(), status.as_u16(), started.elapsed());
    }
    result
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
