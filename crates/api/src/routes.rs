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
    batch, docs, events, orders, problems, readiness, reports, runs, service, stock, vendors,
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
    let mut endpoints = vec![
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
    ];
    endpoints.extend(vendor_endpoints());
    endpoints
}

/// Endpoints of vendors, syncs, and pushed and quarantined reports.
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
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn parsed() -> Value {
        serde_json::from_str(openapi_document()).unwrap()
    }

    /// Every operation with its path.
    fn operations(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let methods_of = |(path, item): (&String, &Value)| {
            let item = item.as_object().unwrap();
            let methods = item
                .values()
                .map(|operation| (path.clone(), operation.clone()));
            methods.collect::<Vec<_>>()
        };
        paths.iter().flat_map(methods_of).collect()
    }

    #[test]
    fn path_parameters_match_the_path_template() {
        for (path, operation) in operations(&parsed()) {
            let named: BTreeSet<&str> = path
                .split('{')
                .skip(1)
                .filter_map(|rest| rest.split('}').next())
                .collect();
            let parameters = operation["parameters"].as_array();
            let in_path = parameters
                .into_iter()
                .flatten()
                .filter(|it| it["in"] == "path");
            let described: BTreeSet<&str> = in_path.filter_map(|it| it["name"].as_str()).collect();
            assert_eq!(named, described, "{path}");
        }
    }

    #[test]
    fn operation_ids_are_unique_and_links_refer_to_them() {
        let document = parsed();
        let operations = operations(&document);
        let names: BTreeSet<&str> = operations
            .iter()
            .map(|(_, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), operations.len());
        let text = openapi_document();
        let linked = text.split("{\"operationId\":\"").skip(1);
        let linked: Vec<&str> = linked.filter_map(|rest| rest.split('"').next()).collect();
        assert!(linked.len() > 5, "{linked:?}");
        for name in linked {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn every_operation_states_its_security_requirement() {
        let document = parsed();
        assert_eq!(document["servers"], serde_json::json!([{"url": "/"}]));
        for (path, operation) in operations(&document) {
            let security = operation["security"].as_array();
            let security = security.unwrap_or_else(|| panic!("{path}"));
            assert_eq!(
                security.is_empty(),
                !path.starts_with("/api/") && path != "/metrics",
                "{path}"
            );
        }
    }

    #[test]
    fn every_operation_has_a_description() {
        for (path, operation) in operations(&parsed()) {
            let description = operation["description"].as_str().unwrap();
            assert!(!description.trim_start().starts_with("Requires"), "{path}");
            assert!(!description.is_empty(), "{path}");
        }
    }

    /// Generators create one type for all problems.
    #[test]
    fn problems_are_components() {
        let document = parsed();
        for (path, operation) in operations(&document) {
            let has_content = |response: &&Value| {
                let content = &response["content"]["application/problem+json"];
                content.is_object() && !response["content"]["application/json"].is_object()
            };
            let responses = operation["responses"].as_object().unwrap();
            assert_eq!(responses.values().find(has_content), None, "{path}");
        }
        for (name, response) in document["components"]["responses"].as_object().unwrap() {
            let schema = &response["content"]["application/problem+json"]["schema"];
            let problem = serde_json::json!({"$ref": "#/components/schemas/Problem"});
            assert_eq!(*schema, problem, "{name}");
        }
    }

    /// Generators create a type for each enumeration and object, and name those of components only. Not all of
    /// them support members next to a reference.
    #[test]
    fn enumerations_and_objects_are_components() {
        fn check(path: &str, schema: &Value) {
            let has_name = path
                .rsplit_once('/')
                .is_some_and(|(parent, _)| parent == "/schemas");
            let is_type = schema["enum"].is_array() || schema["properties"].is_object();
            let is_part = path.contains("/allOf/") || path.contains("/headers/");
            assert!(!is_type || has_name || is_part, "{path}: {schema}");
            let members = schema.as_object().map_or(0, serde_json::Map::len);
            assert!(schema["$ref"].is_null() || members == 1, "{path}: {schema}");
            let members = schema.as_object().into_iter().flatten();
            let items = schema.as_array().into_iter().flatten().enumerate();
            let items = items.map(|(index, item)| (index.to_string(), item));
            let members = members.map(|(name, member)| (name.clone(), member));
            for (name, child) in members.chain(items) {
                check(&format!("{path}/{name}"), child);
            }
        }
        let document = parsed();
        check("", &document["components"]);
        check("/paths", &document["paths"]);
    }

    #[test]
    fn every_reference_resolves() {
        let document = parsed();
        let references: BTreeSet<&str> = openapi_document()
            .split("\"$ref\":\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
