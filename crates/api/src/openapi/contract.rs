//! The contract of one endpoint, as a plain value.

use std::collections::BTreeMap;

use utoipa::openapi::path::Parameter;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, KnownFormat, Ref, Required, SchemaFormat};

use super::named_schemas::Schemas;
use super::response::ResponseSpec;
use crate::problem::ProblemKind;

/// The problems that a body can cause.
const BODY_PROBLEMS: [ProblemKind; 5] = [
    ProblemKind::MalformedRequest,
    ProblemKind::RequestTimeout,
    ProblemKind::PayloadTooLarge,
    ProblemKind::UnsupportedMediaType,
    ProblemKind::ValidationFailed,
];

/// The contract of one method of one path.
pub(crate) struct Contract {
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) responses: BTreeMap<u16, ResponseSpec>,
    pub(super) problems: Vec<ProblemKind>,
    pub(super) schemas: Schemas,
}

impl Contract {
    /// The contract of the operation with this id, listed under the tag.
    pub(crate) fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
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
    pub(crate) fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    pub(crate) fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Sets a JSON body, and adds the problems that a body can cause.
    pub(crate) fn body(mut self, body: Body) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(body.schema)))
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
        self.problems(&BODY_PROBLEMS)
    }

    /// Sets a body of any media type and in any format, and adds the problems that such a body can cause.
    pub(crate) fn document_body(mut self, description: &'static str) -> Self {
        let bytes = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        let content = ContentBuilder::new().schema(Some(bytes)).build();
        let request = RequestBodyBuilder::new()
            .description(Some(description))
            .required(Some(Required::True))
            .content("application/octet-stream", content);
        self.body = Some(request.build());
        self.problems(&BODY_PROBLEMS)
    }

    pub(crate) fn response(mut self, status: u16, response: ResponseSpec) -> Self {
        self.responses.insert(status, response);
        self
    }

    pub(crate) fn problems(mut self, kinds: &[ProblemKind]) -> Self {
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
    /// The name of the body's schema.
    pub(crate) schema: &'static str,
    pub(crate) example: serde_json::Value,
    /// The schema of this name, and the schemas that it refers to by name.
    pub(crate) schemas: Schemas,
}
