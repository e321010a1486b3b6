//! Converts a contract to an OpenAPI operation, and adds the parts that follow from its access or apply to all operations.

use std::collections::BTreeMap;

use api_keys::{Role, VENDOR_ROLE};
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, Response};

use super::contract::Contract;
use super::headers::{RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID};
use super::named_schemas::Schemas;
use super::problems;
use crate::middleware::auth::Access;
use crate::problem::ProblemKind;

/// The name of the security scheme.
pub(super) const API_KEY: &str = "api_key";

/// An operation, with the components that it refers to.
pub(crate) struct Described {
    pub(super) operation: Operation,
    pub(super) schemas: Schemas,
    /// The responses of problems, by the name of their component.
    pub(super) responses: BTreeMap<String, Response>,
}

/// The operation of a method.
pub(crate) fn operation(contract: Contract, path: &str, access: Access) -> Described {
    let is_api = path.starts_with("/api/");
    let contract = contract.problems(&common_problems(access, is_api));
    let mut operation = OperationBuilder::new()
        .tag(contract.tag)
        .operation_id(Some(contract.id))
        .summary(Some(contract.summary))
        .description(Some(match role(access) {
            None => contract.description.to_owned(),
            Some(role) => format!("{}\n\n{role}", contract.description),
        }))
        .securities(Some(match access {
            // An empty list, unlike an absent one, states that the operation is open.
            Access::Open => Vec::new(),
            Access::Role(role) => vec![SecurityRequirement::new(API_KEY, [role.to_string()])],
            Access::VendorInPath => vec![SecurityRequirement::new(API_KEY, [VENDOR_ROLE])],
        }))
        .request_body(contract.body);
    if !contract.parameters.is_empty() {
        operation = operation.parameters(Some(contract.parameters));
    }

    let mut responses = BTreeMap::new();
    for (status, kinds) in problems::by_status(&contract.problems) {
        // The contract's own response of a status describes more than the problem.
        if contract.responses.contains_key(&status) {
            continue;
        }
        let name = problems::component(&kinds);
        responses.insert(name.clone(), problems::response(&kinds).to_openapi());
        operation = operation.response(status.to_string(), Ref::from_response_name(name));
    }
    let mut schemas = contract.schemas;
    for (status, response) in contract.responses {
        let mut response = response.header(REQUEST_ID);
        if is_api {
            response = response.header(RATE_LIMIT).header(RATE_LIMIT_POLICY);
        }
        operation = operation.response(status.to_string(), response.to_openapi());
        schemas.extend(response.schemas);
    }
    Described {
        operation: operation.build(),
        schemas,
        responses,
    }
}

/// The problems of every operation with this access, in addition to those of its contract.
fn common_problems(access: Access, is_api: bool) -> Vec<ProblemKind> {
    let mut kinds = Vec::new();
    if access != Access::Open {
        kinds.extend([ProblemKind::Unauthenticated, ProblemKind::Forbidden]);
    }
    if is_api {
        // Unknown or repeated query parameters.
        kinds.extend([ProblemKind::MalformedRequest, ProblemKind::RateLimited]);
    }
    kinds.extend([ProblemKind::MisdirectedRequest, ProblemKind::Unavailable]);
    kinds
}

/// The sentence about the role that the access requires.
fn role(access: Access) -> Option<&'static str> {
    match access {
        Access::Open => None,
        Access::Role(Role::Customer) => {
            Some("Requires an API key with the role `customer` or `operator`.")
        }
        Access::Role(Role::Operator) => Some("Requires an API key with the role `operator`."),
        Access::VendorInPath => Some(
            "Requires an API key with the role `vendor` that is bound to the vendor in the path. Such a key reaches no other \
             operation.",
        ),
    }
}
