//! Stands before every handler: checks the host that a request names, finds out who calls, and counts how often.

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, ORIGIN};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, ResponseError as _};
use api_keys::ApiKey;
use http_access::{Host, HostRefusal, HostRule, Unauthenticated};
use tracing::debug;

use super::caller::{Caller, Identity, KnownKey};
use super::credentials;
use crate::problem::{Problem, ProblemKind};
use crate::rate_limit::{RateLimit, RateLimiter};

/// The hosts, the keys and the limit of a server, shared by its threads.
pub(crate) struct Gate {
    hosts: HostRule,
    cors_origins: Arc<[String]>,
    keys: Vec<KnownKey>,
    limiter: Option<RateLimiter>,
}

impl Gate {
    pub(crate) fn new(keys: &[ApiKey], allowed_hosts: &[Host], limit: Option<RateLimit>) -> Self {
        let hosts = HostRule::new(allowed_hosts, !keys.is_empty());
        let cors_origins = [].into();
        let first_of_name = |name: &str| keys.iter().position(|key| key.name == name);
        let keys: Vec<KnownKey> = keys
            .iter()
            .map(|key| KnownKey {
                slot: first_of_name(&key.name).unwrap_or_default(),
                key: Arc::new(key.clone()),
            })
            .collect();
        let limiter = limit.map(|limit| RateLimiter::new(limit, keys.len()));
        Self {
            hosts,
            cors_origins,
            keys,
            limiter,
        }
    }

    /// Lets web pages of these origins change something without a key.
    pub(crate) fn with_cors_origins(mut self, origins: Arc<[String]>) -> Self {
        self.cors_origins = origins;
        self
    }

    /// Whether a browser sends this request for a web page that may not change anything. With keys no page can: a browser does
    /// not add one. A browser asks before it sends JSON, but not before it sends a request without a body.
    fn is_of_foreign_page(&self, request: &ServiceRequest) -> bool {
        if !self.keys.is_empty() || request.method().is_safe() {
            return false;
        }
        let Some(origin) = request.headers().get(ORIGIN) else {
            return false;
        };
        let is_known = |origin: &str| {
            self.hosts.serves_origin(origin) || self.cors_origins.iter().any(|it| it == origin)
        };
        !origin.to_str().is_ok_and(is_known)
    }

    fn identify(&self, headers: &HeaderMap) -> Identity {
        if self.keys.is_empty() {
            return Ok(Caller::Anyone);
        }
        let presented = http_access::bearer_key(headers)?;
        let known = api_keys::find(&self.keys, presented);
        known
            .cloned()
            .map(Caller::Known)
            .ok_or(Unauthenticated::WrongKey)
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
    let peer = request.peer_addr().map(|peer| peer.ip());
    if let Err(refusal) = gate.hosts.check(request.head()) {
        debug!(
            ?peer,
            ?refusal,
            "refused: the request names no host that is served here"
        );
        let response = refused_host(refusal).error_response();
        return Ok(request.into_response(response).map_into_right_body());
    }
    if gate.is_of_foreign_page(&request) {
        debug!(
            ?peer,
            "refused: a web page of another origin would change something"
        );
        let detail = "a web page of another origin may not change anything without an API key; see the setting api.cors_origins";
        let response = Problem::new(ProblemKind::Forbidden, detail).error_response();
        return Ok(request.into_response(response).map_into_right_body());
    }
    let identity = gate.identify(request.headers());
    if !is_api(request.match_info().as_str()) {
        request.extensions_mut().insert(identity);
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let caller = match &identity {
        Ok(caller) => caller,
        Err(unknown) => {
            debug!(?peer, reason = ?unknown, "refused: it is not known who calls");
            let response = credentials::unauthenticated(*unknown);
            return Ok(request.into_response(response).map_into_right_body());
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

fn refused_host(refusal: HostRefusal) -> Problem {
    match refusal {
        HostRefusal::Malformed => Problem::malformed("the request does not name one host"),
        HostRefusal::Foreign => Problem::new(
            ProblemKind::MisdirectedRequest,
            "the host that the request names is neither a loopback name or address nor in the setting api.allowed_hosts",
        ),
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
