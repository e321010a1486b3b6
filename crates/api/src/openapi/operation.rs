//! Converts a contract to an OpenAPI operation, and adds the parts that follow from its access or apply to all operations.

use actix_web::http::Method;
use api_keys::Role;
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::security::SecurityRequirement;

use super::contract::Contract;
use super::headers::{RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID};
use super::named_schemas::Schemas;
use super::problems;
use crate::middleware::auth::Access;
use crate::problem::ProblemKind;

/// The name of the security scheme.
pub(super) const API_KEY: &str = "api_key";

/// The operation of a method, and the schemas that it refers to.
pub(crate) fn operation(
    contract: Contract,
    method: &Method,
    path: &str,
    access: Access,
) -> (Operation, Schemas) {
    let is_head = *method == Method::HEAD;
    let is_api = path.starts_with("/api/");
    let contract = contract.problems(&common_problems(access, is_api));
    let mut schemas = contract.schemas;
    let mut operation = OperationBuilder::new()
        .tag(contract.tag)
        .operation_id(Some(if is_head {
            format!("head_{}", contract.id)
        } else {
            contract.id.to_owned()
        }))
        .summary(Some(if is_head {
            format!("{} (headers only)", contract.summary)
        } else {
            contract.summary.to_owned()
        }));
    let description = [contract.description, role(access)];
    let description: Vec<&str> = description
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect();
    if !description.is_empty() {
        operation = operation.description(Some(description.join("\n\n")));
    }
    let security = match access {
        // An empty list, unlike an absent one, states that the operation is open.
        Access::Open => Vec::new(),
        Access::Role(role) => vec![SecurityRequirement::new(API_KEY, [role.to_string()])],
    };
    operation = operation.securities(Some(security));
    if !contract.parameters.is_empty() {
        operation = operation.parameters(Some(contract.parameters));
    }
    operation = operation.request_body(contract.body);

    let mut responses = problems::responses(&contract.problems);
    // The contract's own response of a status describes more than the problem.
    responses.extend(contract.responses);
    for (status, response) in responses {
        let mut response = response.header(REQUEST_ID);
        if is_api && status != 401 {
            // Unauthenticated requests do not count towards the rate limit.
            response = response.header(RATE_LIMIT).header(RATE_LIMIT_POLICY);
        }
        operation = operation.response(status.to_string(), response.to_openapi(is_head));
        schemas.extend(response.schemas);
    }
    (operation.build(), schemas)
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

fn role(access: Access) -> &'static str {
    match access {
        Access::Open => "",
        Access::Role(Role::Customer) => {
            "Requires an API key with the role `customer` or `operator`."
        }
        Access::Role(Role::Operator) => "Requires an API key with the role `operator`.",
    }
}
