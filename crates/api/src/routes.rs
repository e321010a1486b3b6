//! The table of endpoints, the application with its middleware, and the OpenAPI document: all are built from the table.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpRequest, HttpResponse, ResponseError};

use crate::endpoint::{Endpoint, endpoint, get, options, patch, post};
use crate::endpoints::docs::DocumentText;
use crate::endpoints::{
    batch, docs, events, orders, pauses, problems, readiness, reports, runs, service, stock,
    vendors,
};
use crate::middleware::auth::{self, Access, Authenticator};
use crate::middleware::{cors, metrics, response_headers, unread_body};
use crate::openapi::document;
use crate::problem::Problem;
use crate::request::body::BodyTimeout;
use crate::state::AppState;

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
        .app_data(Data::new(DocumentText(openapi_document())))
        .app_data(context.body_timeout);
    let app = endpoints()
        .into_iter()
        .fold(app, |app, endpoint| app.service(endpoint.resource()));
    app.default_service(web::to(unknown_path))
        .wrap(from_fn(auth::authenticate))
        .wrap(from_fn(metrics::record))
        .wrap(cors::cors(&context.cors_origins))
        .wrap(from_fn(cors::render_rejections))
        .wrap(from_fn(response_headers::add))
        .wrap(from_fn(unread_body::hold))
}

/// The contract of the API in OpenAPI 3.1, as served by `GET /openapi.json`.
#[must_use]
pub fn openapi_document() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| document::text(&endpoints()));
    &TEXT
}

/// Every endpoint, in matching order. The router and the OpenAPI document are both built from this table.
fn endpoints() -> Vec<Endpoint> {
    [
        service_endpoints(),
        order_endpoints(),
        stock_endpoints(),
        vendor_endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Endpoints of the service itself, outside of the API.
fn service_endpoints() -> Vec<Endpoint> {
    vec![
        endpoint(
            "/",
            [get(
                Access::Open,
                service::describe,
                service::describe_contract,
            )],
        ),
        endpoint(
            "/healthz",
            [get(Access::Open, service::live, service::live_contract)],
        ),
        endpoint(
            "/readyz",
            [get(
                Access::Open,
                readiness::ready,
                readiness::ready_contract,
            )],
        ),
        endpoint(
            "/metrics",
            [get(
                Access::OPERATOR,
                service::metrics,
                service::metrics_contract,
            )],
        ),
        endpoint(
            "/openapi.json",
            [get(Access::Open, docs::document, docs::document_contract)],
        ),
        endpoint(
            "/docs",
            [get(Access::Open, docs::show, docs::show_contract)],
        ),
        endpoint(
            "/docs/{file}",
            [get(Access::Open, docs::file, docs::file_contract)],
        ),
        endpoint(
            "/problems/{slug}",
            [get(Access::Open, problems::show, problems::show_contract)],
        ),
    ]
}

/// Endpoints of orders.
fn order_endpoints() -> Vec<Endpoint> {
    vec![
        endpoint(
            "/api/v1/order",
            [post(
                Access::CUSTOMER,
                orders::place,
                orders::place_at_original_path_contract,
            )],
        ),
        endpoint(
            "/api/v1/orders",
            [
                get(Access::CUSTOMER, orders::list, orders::list_contract),
                post(Access::CUSTOMER, orders::place, orders::place_contract),
            ],
        ),
        // Must precede the path of one order, which would match it too.
        endpoint(
            "/api/v1/orders/batch",
            [post(Access::CUSTOMER, batch::place, batch::place_contract)],
        ),
        endpoint(
            "/api/v1/orders/{id}",
            [
                get(Access::CUSTOMER, orders::show, orders::show_contract),
                patch(
                    Access::OPERATOR,
                    orders::change_status,
                    orders::change_status_contract,
                ),
            ],
        ),
    ]
}

/// Endpoints of stock, and of events.
fn stock_endpoints() -> Vec<Endpoint> {
    vec![
        endpoint(
            "/api/v1/stock",
            [get(Access::CUSTOMER, stock::list, stock::list_contract)],
        ),
        endpoint(
            "/api/v1/stock/{product_id}",
            [get(Access::CUSTOMER, stock::show, stock::show_contract)],
        ),
        endpoint(
            "/api/v1/events",
            [get(
                Access::CUSTOMER,
                events::stream,
                events::stream_contract,
            )],
        ),
    ]
}

/// Endpoints of vendors, their syncs and pauses, and of pushed and quarantined reports.
fn vendor_endpoints() -> Vec<Endpoint> {
    vec![
        endpoint(
            "/api/v1/vendors",
            [get(Access::OPERATOR, vendors::list, vendors::list_contract)],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/sync",
            [post(
                Access::OPERATOR,
                vendors::sync,
                vendors::sync_contract,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/pause",
            [post(
                Access::OPERATOR,
                pauses::pause,
                pauses::pause_contract,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/resume",
            [post(
                Access::OPERATOR,
                pauses::resume,
                pauses::resume_contract,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/runs",
            [get(Access::OPERATOR, runs::list, runs::list_contract)],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/reports",
            [post(
                Access::VendorInPath,
                reports::push,
                reports::push_contract,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/quarantine/accept",
            [post(
                Access::OPERATOR,
                vendors::accept_quarantined,
                vendors::accept_quarantined_contract,
            )],
        ),
        endpoint(
            "/api/v1/vendors/{vendor_id}/quarantine/discard",
            [post(
                Access::OPERATOR,
                vendors::discard_quarantined,
                vendors::discard_quarantined_contract,
            )],
        ),
    ]
}

async fn unknown_path(request: HttpRequest) -> HttpResponse {
    // `OPTIONS *` applies to the server as a whole (RFC 9110, section 9.3.7).
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return options("GET, HEAD, POST, PATCH, OPTIONS");
    }
    Problem::not_found("no such path").error_response()
}

#[cfg(test)]
mod tests;
