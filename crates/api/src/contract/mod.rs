//! The contract of each endpoint in OpenAPI 3.1: parameters and their ranges, body, statuses and headers of the responses.
//!
//! Each area has a module with one function per operation, which returns a `Contract`, a plain value. The table of endpoints
//! (`app`) pairs each handler with its access and its contract, so that no endpoint lacks one. `operation` adds the parts
//! that follow from the access or apply to every endpoint.
//!
//! The schemas of responses are derived from the views; the schemas of request bodies are defined next to their parsers.

mod document;
pub(crate) mod events;
pub(crate) mod headers;
mod operation;
pub(crate) mod orders;
pub(crate) mod parameters;
mod problems;
pub(crate) mod response;
pub(crate) mod schemas;
pub(crate) mod service;
pub(crate) mod stock;
pub(crate) mod vendors;

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ContentBuilder, RefOr, Required};

use crate::problem::ProblemKind;
pub use document::document_text;
pub(crate) use operation::operation;
use response::ResponseSpec;

/// Schemas by the name that other schemas refer to.
pub(crate) type Schemas = BTreeMap<String, RefOr<Schema>>;

/// The contract of one method of one path.
pub(crate) struct Contract {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    responses: BTreeMap<u16, ResponseSpec>,
    problems: Vec<ProblemKind>,
    schemas: Schemas,
}

impl Contract {
    /// The contract of the operation with this id, listed under the tag.
    fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            description: "",
            parameters: Vec::new(),
            body: None,
            responses: BTreeMap::new(),
            problems: Vec::new(),
            schemas: Schemas::new(),
        }
    }

    /// Sets the description, in Markdown.
    fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Sets a JSON body, and adds the problems that a body can cause.
    fn body(mut self, body: Body) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(body.schema))
            .example(Some(body.example))
            .build();
        let required = if body.required {
            Required::True
        } else {
            Required::False
        };
        let request = RequestBodyBuilder::new()
            .description(Some(body.description))
            .required(Some(required))
            .content("application/json", content);
        self.body = Some(request.build());
        self.schemas.extend(body.schemas);
        self.problems(&[
            ProblemKind::MalformedRequest,
            ProblemKind::RequestTimeout,
            ProblemKind::PayloadTooLarge,
            ProblemKind::UnsupportedMediaType,
            ProblemKind::ValidationFailed,
        ])
    }

    fn response(mut self, status: u16, response: ResponseSpec) -> Self {
        self.responses.insert(status, response);
        self
    }

    fn problems(mut self, kinds: &[ProblemKind]) -> Self {
        for kind in kinds {
            if !self.problems.contains(kind) {
                self.problems.push(*kind);
            }
        }
        self
    }
}

/// The body of a request.
pub(crate) struct Body {
    pub(crate) description: &'static str,
    pub(crate) required: bool,
    pub(crate) schema: RefOr<Schema>,
    pub(crate) example: serde_json::Value,
    /// The schemas that `schema` refers to by name.
    pub(crate) schemas: Schemas,
}

/// The schema of a type, and all schemas that it refers to.
pub(crate) fn schemas_of<T: ToSchema>() -> Schemas {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    schemas.into_iter().collect()
}
