//! Who sends a request, as far as that is told apart.

use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest};
use api_keys::{ApiKey, Role};
use http_access::Unauthenticated;

/// What was found out about a request: who sends it, or why that is not known. It goes along with the request.
pub(crate) type Identity = Result<Caller, Unauthenticated>;

/// Who sends a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// There are no API keys: callers are not told apart, and may do everything.
    Anyone,
    /// The holder of this key.
    Known(KnownKey),
}

/// A key, and where its holder's requests are counted.
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
    /// Whether it may do what this role may.
    pub(crate) fn has(&self, role: Role) -> bool {
        match self {
            Self::Anyone => true,
            Self::Known(known) => known.key.has(role),
        }
    }

    /// Whose idempotency keys this request's are: those of one name, so that they outlive the exchange of a key; everyone's
    /// where callers are not told apart.
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
