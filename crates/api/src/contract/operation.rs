//! From a contract to an operation: with what its access asks for, and what holds for all.

use actix_web::http::Method;
use api_keys::Role;
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::security::SecurityRequirement;

use super::headers::{RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID};
use super::{Contract, Schemas, problems};
use crate::access::Access;
use crate::problem::ProblemKind;

/// The name of the one way to say who calls.
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
            format!("{}, without the body", contract.summary)
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
        // An empty list, which is not the same as none: it says that the operation is open.
        Access::Open => Vec::new(),
        Access::Role(role) => vec![SecurityRequirement::new(API_KEY, [role.to_string()])],
    };
    operation = operation.securities(Some(security));
    if !contract.parameters.is_empty() {
        operation = operation.parameters(Some(contract.parameters));
    }
    operation = operation.request_body(contract.body);

    let mut answers = problems::answers(&contract.problems);
    // One that the contract names itself is not only a problem.
    answers.extend(contract.answers);
    for (status, answer) in answers {
        let mut answer = answer.header(REQUEST_ID);
        if is_api && status != 401 {
            // A request without a key that is known is refused uncounted.
            answer = answer.header(RATE_LIMIT).header(RATE_LIMIT_POLICY);
        }
        operation = operation.response(status.to_string(), answer.response(is_head));
        schemas.extend(answer.schemas);
    }
    (operation.build(), schemas)
}

/// Why any request may be refused, whatever its contract names: what its access brings, and what can befall it.
fn common_problems(access: Access, is_api: bool) -> Vec<ProblemKind> {
    let mut kinds = Vec::new();
    if access != Access::Open {
        kinds.extend([ProblemKind::Unauthenticated, ProblemKind::Forbidden]);
    }
    if is_api {
        // A parameter that is not known, or one that is there twice.
        kinds.extend([ProblemKind::MalformedRequest, ProblemKind::RateLimited]);
    }
    kinds.extend([ProblemKind::MisdirectedRequest, ProblemKind::Unavailable]);
    kinds
}

fn role(access: Access) -> &'static str {
    match access {
        Access::Open => "",
        Access::Role(Role::Customer) => "Needs an API key with the role `customer` or `operator`.",
        Access::Role(Role::Operator) => "Needs an API key with the role `operator`.",
    }
}
