//! Parsing of requests into domain types. Code outside of these modules never handles unvalidated text.

pub(crate) mod accept;
pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod header;
pub(crate) mod idempotency;
pub(crate) mod json;
pub(crate) mod order;
pub(crate) mod path;
pub(crate) mod pause;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod url_text;
