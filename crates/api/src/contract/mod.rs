//! What each endpoint promises, as OpenAPI 3.1 has it: its parameters and their ranges, its body, each status that it can
//! answer with, and what stands in the headers.
//!
//! Each area has a module with a function for each operation, which returns a `Contract`, a plain value. Where an endpoint
//! is put in its place it is given its contract together with its handler and its access, so that none goes without
//! (`app`). What follows from the access, and what holds for every endpoint, is added there once (`operation`).
//!
//! The schemas of answers are derived from the views that are rendered; those of bodies stand beside their parsers.

pub(crate) mod answer;
mod document;
pub(crate) mod events;
pub(crate) mod headers;
mod operation;
pub(crate) mod orders;
pub(crate) mod parameters;
mod problems;
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
use answer::Answer;
pub use document::document_text;
pub(crate) use operation::operation;

/// Schemas by their names, which others refer to.
pub(crate) type Schemas = BTreeMap<String, RefOr<Schema>>;

/// What one method of one path promises.
pub(crate) struct Contract {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: BTreeMap<u16, Answer>,
    problems: Vec<ProblemKind>,
    schemas: Schemas,
}

impl Contract {
    /// The contract of an operation of this name, which appears under the tag.
    fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            description: "",
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            problems: Vec::new(),
            schemas: Schemas::new(),
        }
    }

    /// What a summary is too short for, in Markdown.
    fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// A body of JSON, with what can be wrong with one.
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

    fn answer(mut self, status: u16, answer: Answer) -> Self {
        self.answers.insert(status, answer);
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
    /// What `schema` refers to by name.
    pub(crate) schemas: Schemas,
}

/// A type's schema and all that it refers to.
pub(crate) fn schemas_of<T: ToSchema>() -> Schemas {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    schemas.into_iter().collect()
}
