//! Which path is answered by which handler, and what holds for all of them.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{
    App, Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder,
    ResponseError, Route,
};
use futures_util::FutureExt;
use metrics::{HttpRecorder, NO_ROUTE};
use tracing::error;

use crate::access::{self, Access, Gate};
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
    App::new()
        .app_data(Rc::new(state.metrics.metrics().http().recorder()))
        .app_data(state)
        .app_data(entrance.gate.clone())
        .app_data(entrance.body_timeout)
        .service(endpoint("/", [get(Access::Open, health::describe)]))
        .service(endpoint("/healthz", [get(Access::Open, health::live)]))
        .service(endpoint("/readyz", [get(Access::Open, health::ready)]))
        .service(endpoint(
            "/metrics",
            [get(Access::OPERATOR, health::metrics)],
        ))
        .service(endpoint("/docs", [get(Access::Open, docs::show)]))
        .service(endpoint(
            "/problems/{slug}",
            [get(Access::Open, problem_pages::show)],
        ))
        .service(endpoint(
            "/api/v1/order",
            [post(Access::CUSTOMER, orders::place)],
        ))
        .service(endpoint(
            "/api/v1/orders",
            [
                get(Access::CUSTOMER, orders::list),
                post(Access::CUSTOMER, orders::place),
            ],
        ))
        // Before the path of one order, which would match it.
        .service(endpoint(
            "/api/v1/orders/batch",
            [post(Access::CUSTOMER, batch::place)],
        ))
        .service(endpoint(
            "/api/v1/orders/{id}",
            [
                get(Access::CUSTOMER, orders::show),
                patch(Access::OPERATOR, orders::change_status),
            ],
        ))
        .service(endpoint(
            "/api/v1/stock",
            [get(Access::CUSTOMER, stock::list)],
        ))
        .service(endpoint(
            "/api/v1/stock/{product_id}",
            [get(Access::CUSTOMER, stock::show)],
        ))
        .service(endpoint(
            "/api/v1/vendors",
            [get(Access::OPERATOR, vendors::list)],
        ))
        .service(endpoint(
            "/api/v1/vendors/{vendor_id}/sync",
            [post(Access::OPERATOR, vendors::sync)],
        ))
        .service(endpoint(
            "/api/v1/events",
            [get(Access::CUSTOMER, events::stream)],
        ))
        .default_service(web::to(unknown_path))
        .wrap(from_fn(access::admit))
        .wrap(from_fn(watch))
        .wrap(cors::cors(&entrance.cors_origins))
        .wrap(from_fn(cors::explain_refusals))
        .wrap(from_fn(answer_headers::add))
        .wrap(from_fn(unread_body::hold))
}

/// The path that an endpoint is at, as it was declared.
struct Path(&'static str);

/// Methods of one path.
type Methods = Vec<(Method, Route)>;

/// A path with its methods. It also answers `OPTIONS`, and any other method with 405; both name the ones that it has.
fn endpoint<const N: usize>(path: &'static str, methods: [Methods; N]) -> Resource {
    let methods: Methods = methods.into_iter().flatten().collect();
    let names = methods.iter().map(|(method, _)| method.as_str());
    let names: Vec<&str> = names.chain(["OPTIONS"]).collect();
    let allow: Arc<str> = names.join(", ").into();
    let mut resource = web::resource(path).app_data(Path(path));
    for (_, route) in methods {
        resource = resource.route(route);
    }
    resource.default_service(web::to(move |request: HttpRequest| {
        let allow = Arc::clone(&allow);
        async move { other_method(&request, &allow) }
    }))
}

/// `GET`, and `HEAD` with it: the server leaves the body away.
fn get<F, Args>(access: Access, handler: F) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let head = method(access, Method::HEAD, handler.clone());
    let mut methods = method(access, Method::GET, handler);
    methods.extend(head);
    methods
}

fn post<F, Args>(access: Access, handler: F) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    method(access, Method::POST, handler)
}

fn patch<F, Args>(access: Access, handler: F) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    method(access, Method::PATCH, handler)
}

/// A method whose handler answers those that have access. There is no other way to add one: no handler goes without.
fn method<F, Args>(access: Access, method: Method, handler: F) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let permit = from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
        access::permit(access, request, next)
    });
    let route = web::method(method.clone()).to(handler).wrap(permit);
    vec![(method, route)]
}

fn other_method(request: &HttpRequest, allow: &str) -> HttpResponse {
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
