//! OpenAPI 3.1: the vocabulary in which an endpoint describes itself, and the assembly of the document.
//!
//! Each handler has a function next to it that returns its `Contract`, a plain value: parameters and their ranges, body,
//! statuses and headers of the responses. The table of endpoints (`routes`) pairs each handler with its access and its
//! contract, so that no endpoint lacks one. `operation` adds the parts that follow from the access or apply to every
//! endpoint.
//!
//! The schemas of responses are derived from the views; the schemas of request bodies are defined next to their parsers.

mod contract;
pub(crate) mod document;
pub(crate) mod headers;
mod named_schemas;
mod operation;
pub(crate) mod parameters;
pub(crate) mod problems;
pub(crate) mod response;
pub(crate) mod schemas;

pub(crate) use contract::{Body, Contract};
pub(crate) use named_schemas::{Schemas, schemas_of};
pub(crate) use operation::{Described, operation};
