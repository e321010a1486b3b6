//! vendor-http
