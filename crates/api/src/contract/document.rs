//! The OpenAPI document.

use std::sync::LazyLock;

use utoipa::openapi::path::{PathItem, Paths};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, License, LicenseBuilder, OpenApi, OpenApiBuilder,
};

use super::operation::API_KEY;
use super::{Schemas, headers, problems};
use crate::app;
use crate::problem::ProblemKind;

/// The version of the contract, by semantic versioning: breaking changes raise the major number, additions the minor number,
/// anything else the patch number.
const VERSION: &str = "1.0.0";

const DESCRIPTION: &str = include_str!("description.md");

/// The contract of the API in OpenAPI 3.1, as served by `GET /openapi.json`.
#[must_use]
pub fn document_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        // Cannot fail: the document consists of plain values with string keys.
        document().to_json().unwrap_or_default()
    });
    &TEXT
}

/// Builds the document from the table of endpoints.
fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = Schemas::new();
    for endpoint in app::endpoints() {
        let mut item = PathItem::default();
        for (method, operation, used) in endpoint.operations() {
            item.merge_operations(PathItem::new(method, operation));
            schemas.extend(used);
        }
        paths.paths.insert(endpoint.path.to_owned(), item);
    }
    let not_allowed = problems::response(&[ProblemKind::MethodNotAllowed])
        .header(headers::ALLOW)
        .header(headers::REQUEST_ID);
    let mut components = ComponentsBuilder::new()
        .security_scheme(API_KEY, api_key())
        .response("MethodNotAllowed", not_allowed.to_openapi(false))
        .schemas_from_iter(schemas)
        .build();
    components.headers = headers::all()
        .map(|(name, header)| (name.to_owned(), header.into()))
        .collect();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Order aggregator")
                .version(VERSION)
                .description(Some(description()))
                .license(Some(license())),
        )
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .components(Some(components))
        .tags(Some(
            [
                ("orders", "Place, read and change orders."),
                ("stock", "Read available stock."),
                ("vendors", "Read vendors and sync their stock."),
                ("events", "Stream changes of orders and stock."),
                ("service", "Health, metrics and documentation."),
            ]
            .map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build()),
        ))
        .build()
}

/// The common rules and the table of problems.
fn description() -> String {
    let problems = ProblemKind::ALL.iter().map(|kind| {
        let (status, slug) = (kind.status().as_u16(), kind.slug());
        format!(
            "| {status} | [{slug}](/problems/{slug}) | {} |\n",
            kind.title()
        )
    });
    let head = "\n| status | type | |\n|---|---|---|\n".to_owned();
    [DESCRIPTION.to_owned(), head]
        .into_iter()
        .chain(problems)
        .collect()
}

fn license() -> License {
    LicenseBuilder::new()
        .name("MIT or Apache-2.0")
        .identifier(Some("MIT OR Apache-2.0"))
        .build()
}

fn api_key() -> SecurityScheme {
    let http = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key with the role that the operation requires; `operator` includes \
             `customer`. A service without configured keys requires none, and is reachable from \
             its own machine only.",
        ));
    SecurityScheme::Http(http.build())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn parsed() -> Value {
        serde_json::from_str(document_text()).unwrap()
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
        let text = document_text();
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
    fn every_reference_resolves() {
        let document = parsed();
        let references: BTreeSet<&str> = document_text()
            .split("\"$ref\":\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn description_links_every_problem_page() {
        let document = parsed();
        let description = document["info"]["description"].as_str().unwrap();
        for kind in ProblemKind::ALL {
            assert!(
                description.contains(&format!("/problems/{})", kind.slug())),
                "{description}"
            );
        }
    }
}
