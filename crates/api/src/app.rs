//! Which path is answered by which handler, and what holds for all of them.

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

use crate::access::{self, Access, Gate};
use crate::contract::{self, service};
use crate::endpoint::{Endpoint, Path, endpoint, get, patch, post};
use crate::problem::{Problem, ProblemKind};
use crate::request::body::BodyTimeout;
use crate::state::AppState;
use crate::{
    answer_headers, batch, cors, docs, events, health, orders, problem_pages, stock, unread_body,
    vendors,
};

/// What stands before all handlers, shared by the threads of a server.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) gate: Data<Gate>,
    pub(crate) body_timeout: BodyTimeout,
    pub(crate) cors_origins: Arc<[String]>,
}

/// The application. A request passes what is wrapped around it from the last line to the first.
pub(crate) fn app(
    state: Data<AppState>,
    entrance: &Entrance,
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
        .app_data(entrance.gate.clone())
        .app_data(entrance.body_timeout);
    let app = endpoints()
        .into_iter()
        .fold(app, |app, endpoint| app.service(endpoint.resource()));
    app.default_service(web::to(unknown_path))
        .wrap(from_fn(access::admit))
        .wrap(from_fn(watch))
        .wrap(cors::cors(&entrance.cors_origins))
        .wrap(from_fn(cors::explain_refusals))
        .wrap(from_fn(answer_headers::add))
        .wrap(from_fn(unread_body::hold))
}

/// Every endpoint, in the order in which paths are looked for: the server answers by this table, and the document is built
/// from it.
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
        // Before the path of one order, which would match it.
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

/// The vendors, their syncs and their quarantined reports.
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

/// Answers a method that a path does not have; `allow` are those that it has.
pub(crate) fn other_method(request: &HttpRequest, allow: &str) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        return options(allow);
    }
    let detail = format!("this path answers {allow}");
    let mut response = Problem::new(ProblemKind::MethodNotAllowed, detail).error_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

async fn unknown_path(request: HttpRequest) -> HttpResponse {
    // `OPTIONS *` asks about the server as a whole (RFC 9110, section 9.3.7).
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return options("GET, HEAD, POST, PATCH, OPTIONS");
    }
    Problem::not_found("there is nothing at this path").error_response()
}

fn options(allow: &str) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ALLOW, allow))
        .finish()
}

/// Counts each request, and answers those whose handler panics: it would take its connection with it, and every request
/// that is queued on it.
async fn watch(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let recorder = request.app_data::<Rc<HttpRecorder>>().cloned();
    let (method, started) = (request.method().clone(), Instant::now());
    let answer = AssertUnwindSafe(async { next.call(request).await });
    let answer = answer.catch_unwind().await.unwrap_or_else(|panic| {
        error!(panic = panic_message(panic.as_ref()), "a handler panicked");
        Err(Problem::unavailable("the request could not be handled").into())
    });
    if let Some(recorder) = recorder {
        let (route, status) = match &answer {
            Ok(response) => {
                let path = response.request().app_data::<Path>();
                (path.map_or(NO_ROUTE, |path| path.0), response.status())
            }
            Err(error) => (NO_ROUTE, error.as_response_error().status_code()),
        };
        recorder.answered(route, method.as_str(), status.as_u16(), started.elapsed());
    }
    answer
}

/// What a panic says for itself.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
