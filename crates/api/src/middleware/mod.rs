//! The middleware around the endpoints.

pub(crate) mod auth;
pub(crate) mod cors;
pub(crate) mod metrics;
pub(crate) mod rate_limit;
pub(crate) mod response_headers;
pub(crate) mod trace;
pub(crate) mod unread_body;
