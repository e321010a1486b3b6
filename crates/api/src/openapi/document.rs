//! The OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::path::{PathItem, Paths};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, InfoBuilder, License, LicenseBuilder, OpenApi,
    OpenApiBuilder,
};

use super::named_schemas::schemas_of;
use super::operation::API_KEY;
use super::{headers, schemas};
use crate::endpoint::Endpoint;
use crate::problem::{Document, ProblemKind};

/// The version of the contract, by semantic versioning: breaking changes raise the major number, additions the minor number,
/// anything else the patch number.
const VERSION: &str = "1.0.0";

const DESCRIPTION: &str = include_str!("description.md");

/// The document of these endpoints, in JSON.
pub(crate) fn text(endpoints: &[Endpoint]) -> String {
    // Cannot fail: the document consists of plain values with string keys.
    document(endpoints).to_json().unwrap_or_default()
}

fn document(endpoints: &[Endpoint]) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = schemas_of::<Document<'_>>();
    schemas.extend(schemas::named());
    let mut responses = BTreeMap::new();
    for endpoint in endpoints {
        let mut item = PathItem::default();
        for (method, described) in endpoint.operations() {
            item.merge_operations(PathItem::new(method, described.operation));
            schemas.extend(described.schemas);
            responses.extend(described.responses);
        }
        paths.paths.insert(endpoint.path.to_owned(), item);
    }
    let mut components = ComponentsBuilder::new()
        .security_scheme(API_KEY, api_key())
        .responses_from_iter(responses)
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
                .contact(Some(
                    ContactBuilder::new()
                        .name(Some("The operator of this service"))
                        .build(),
                ))
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
    use super::*;

    #[test]
    fn description_links_every_problem_page() {
        let description = description();
        for kind in ProblemKind::ALL {
            assert!(
                description.contains(&format!("/problems/{})", kind.slug())),
                "{description}"
            );
        }
    }
}
