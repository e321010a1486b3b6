//! One response of an operation.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::headers::{self, HeaderName};
use super::named_schemas::{Schemas, schemas_of};
use super::schemas;

/// The specification of the response with one status.
pub(crate) struct ResponseSpec {
    description: String,
    headers: Vec<HeaderName>,
    content: Vec<(&'static str, RefOr<Schema>, BTreeMap<String, Value>)>,
    links: Vec<(&'static str, Link)>,
    pub(super) schemas: Schemas,
}

impl ResponseSpec {
    /// A response without a body.
    pub(crate) fn empty(description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            headers: Vec::new(),
            content: Vec::new(),
            links: Vec::new(),
            schemas: Schemas::new(),
        }
    }

    /// A response whose body is a value of this type, in JSON.
    pub(crate) fn json<T: ToSchema>(description: &'static str) -> Self {
        let name = T::name();
        Self::empty(description)
            .content("application/json", Ref::from_schema_name(name))
            .schemas(schemas_of::<T>())
    }

    /// A page.
    pub(crate) fn html(description: &'static str) -> Self {
        Self::empty(description).content("text/html", schemas::string())
    }

    /// Adds a body of this media type.
    pub(crate) fn content(
        mut self,
        media_type: &'static str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        self.content
            .push((media_type, schema.into(), BTreeMap::new()));
        self
    }

    /// Adds named examples to the body that was added last.
    pub(crate) fn examples(mut self, examples: impl IntoIterator<Item = (String, Value)>) -> Self {
        if let Some((_, _, known)) = self.content.last_mut() {
            known.extend(examples);
        }
        self
    }

    pub(crate) fn header(mut self, header: HeaderName) -> Self {
        self.headers.push(header);
        self
    }

    /// Adds the schemas that the schemas of the bodies refer to by name.
    pub(crate) fn schemas(mut self, schemas: Schemas) -> Self {
        self.schemas.extend(schemas);
        self
    }

    /// Links a value of the response to a parameter of another operation.
    pub(crate) fn link(
        mut self,
        name: &'static str,
        operation_id: &str,
        parameter: (&str, &str),
        description: &str,
    ) -> Self {
        let (parameter, value) = parameter;
        let link = LinkBuilder::new()
            .operation_id(operation_id)
            .parameter(parameter, value)
            .description(description);
        self.links.push((name, link.build()));
        self
    }

    /// The OpenAPI response.
    pub(super) fn to_openapi(&self) -> Response {
        let mut response = ResponseBuilder::new().description(&self.description);
        for name in &self.headers {
            response = response.header_ref(name.name, headers::reference(*name));
        }
        for (media_type, schema, examples) in &self.content {
            let examples = examples.iter().map(|(name, value)| {
                let example = utoipa::openapi::example::ExampleBuilder::new();
                (name.clone(), example.value(Some(value.clone())))
            });
            let content = ContentBuilder::new()
                .schema(Some(schema.clone()))
                .examples_from_iter(examples);
            response = response.content(*media_type, content.build());
        }
        for (name, link) in &self.links {
            response = response.link(*name, link.clone());
        }
        response.build()
    }
}
