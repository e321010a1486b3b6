//! Stands before every handler: finds out who calls, and counts how often.

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _};
use api_keys::ApiKey;
use tracing::debug;

use super::caller::{Caller, Identity, KnownKey};
use super::credentials::{self, Unknown};
use crate::rate_limit::{RateLimit, RateLimiter};

/// The keys and the limit of a server, shared by its threads.
pub(crate) struct Gate {
    keys: Vec<KnownKey>,
    limiter: Option<RateLimiter>,
}

impl Gate {
    pub(crate) fn new(keys: &[ApiKey], limit: Option<RateLimit>) -> Self {
        let first_of_name = |name: &str| keys.iter().position(|key| key.name == name);
        let keys: Vec<KnownKey> = keys
            .iter()
            .map(|key| KnownKey {
                slot: first_of_name(&key.name).unwrap_or_default(),
                key: Arc::new(key.clone()),
            })
            .collect();
        let limiter = limit.map(|limit| RateLimiter::new(limit, keys.len()));
        Self { keys, limiter }
    }

    fn identify(&self, headers: &HeaderMap) -> Identity {
        if self.keys.is_empty() {
            return Ok(Caller::Anyone);
        }
        let presented = credentials::presented(headers)?;
        let known = api_keys::find(&self.keys, presented);
        known.cloned().map(Caller::Known).ok_or(Unknown::WrongKey)
    }
}

/// Lets a request through once it is known who sends it; under `/api` it has to be known, and is counted.
///
/// Requests without a valid key are not counted: they are refused before anything is looked at, and who has a key must not
/// suffer from them.
pub(crate) async fn admit<B: MessageBody>(
    gate: Data<Gate>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let identity = gate.identify(request.headers());
    let peer = request.peer_addr().map(|peer| peer.ip());
    if !is_api(request.match_info().as_str()) {
        request.extensions_mut().insert(identity);
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let caller = match &identity {
        Ok(caller) => caller,
        Err(unknown) => {
            debug!(?peer, reason = ?unknown, "refused: it is not known who calls");
            return Ok(request
                .into_response(unknown.answer())
                .map_into_right_body());
        }
    };
    let Some(limiter) = &gate.limiter else {
        request.extensions_mut().insert(identity);
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let standing = match caller {
        Caller::Known(known) => limiter.count_slot(known.slot),
        Caller::Anyone => limiter.count_address(peer),
    };
    if standing.is_over() {
        let answer = request.into_response(standing.answer());
        return Ok(answer.map_into_right_body());
    }
    request.extensions_mut().insert(identity);
    match next.call(request).await {
        Ok(mut response) => {
            standing.tell(response.headers_mut());
            Ok(response.map_into_left_body())
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                standing.tell(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// Whether a path, decoded as the router decodes it, is one of the API.
fn is_api(path: &str) -> bool {
    path.strip_prefix("/api")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_one_segment_and_all_below_it() {
        for api in ["/api", "/api/", "/api/v1/orders", "/api//", "/api/../x"] {
            assert!(is_api(api), "{api}");
        }
        for other in ["/", "/apis", "/API/v1", "//api", "/x/api", "/healthz"] {
            assert!(!is_api(other), "{other}");
        }
    }
}
