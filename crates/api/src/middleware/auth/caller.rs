//! The caller of a request.

use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest};
use api_keys::{ApiKey, Role};
use http_access::Unauthenticated;

/// The result of authentication, stored in the extensions of the request.
pub(crate) type Identity = Result<Caller, Unauthenticated>;

/// The caller of a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// No API keys are configured: callers are not distinguished and have every role.
    Anonymous,
    /// The holder of this key.
    Known(KnownKey),
}

/// An API key, and the rate limiter's slot that counts requests with the key.
#[derive(Debug, Clone)]
pub(crate) struct KnownKey {
    pub(crate) key: Arc<ApiKey>,
    pub(crate) slot: usize,
}

impl AsRef<ApiKey> for KnownKey {
    fn as_ref(&self) -> &ApiKey {
        &self.key
    }
}

impl Caller {
    /// Whether the caller has this role.
    pub(crate) fn has(&self, role: Role) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Known(known) => known.key.has(role),
        }
    }

    /// The scope of the request's idempotency keys: the name of the API key, so that they survive a key rotation; empty if
    /// callers are not distinguished.
    pub(crate) fn idempotency_scope(request: &HttpRequest) -> String {
        match request.extensions().get::<Identity>() {
            Some(Ok(Self::Known(known))) => known.key.name.clone(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
impl KnownKey {
    pub(crate) fn of(key: ApiKey) -> Self {
        Self {
            key: Arc::new(key),
            slot: 0,
        }
    }
}
