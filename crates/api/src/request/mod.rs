//! Requests into domain values. Nothing behind these modules sees text that was not checked.

pub(crate) mod accept;
pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod header;
pub(crate) mod idempotency;
pub(crate) mod json;
pub(crate) mod order;
pub(crate) mod path;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod status;
pub(crate) mod url_text;
