//! Authentication middleware: checks the `Host` of each request, identifies the caller and applies the rate limit.

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, ORIGIN};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _};
use api_keys::ApiKey;
use http_access::{Host, HostRefusal, HostRule, Unauthenticated};
use tracing::debug;

use super::caller::{Caller, Identity, KnownKey};
use super::{credentials, vendor_keys};
use crate::middleware::rate_limit::{RateLimit, RateLimiter};
use crate::problem::{Problem, ProblemKind};
use crate::request::path;

/// The allowed hosts, API keys and rate limiter of a server, shared by its threads.
pub(crate) struct Authenticator {
    hosts: HostRule,
    cors_origins: Arc<[String]>,
    keys: Vec<KnownKey>,
    limiter: Option<RateLimiter>,
}

impl Authenticator {
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

    /// Allows web pages of these origins to send unsafe requests without an API key.
    pub(crate) fn with_cors_origins(mut self, origins: Arc<[String]>) -> Self {
        self.cors_origins = origins;
        self
    }

    /// Whether the request is an unsafe request from a web page of another origin (CSRF). With API keys it needs no check: a
    /// browser does not add a key. A browser sends a preflight request before JSON, but not before a request without a body.
    fn is_unsafe_cross_origin(&self, request: &ServiceRequest) -> bool {
        if !self.keys.is_empty() || request.method().is_safe() {
            return false;
        }
        let Some(origin) = request.headers().get(ORIGIN) else {
            return false;
        };
        let is_allowed = |origin: &str| {
            self.hosts.serves_origin(origin) || self.cors_origins.iter().any(|it| it == origin)
        };
        !origin.to_str().is_ok_and(is_allowed)
    }

    fn identify(&self, headers: &HeaderMap) -> Identity {
        if self.keys.is_empty() {
            return Ok(Caller::Anonymous);
        }
        let presented = http_access::bearer_key(headers)?;
        let known = api_keys::find(&self.keys, presented);
        known
            .cloned()
            .map(Caller::Known)
            .ok_or(Unauthenticated::UnknownKey)
    }
}

/// Authenticates a request. Under `/api`, an unauthenticated request is rejected, and any other counts towards the rate
/// limit.
///
/// Requests without a valid key do not count: they are rejected before any work is done, and must not use up the limit of
/// callers that have a key.
pub(crate) async fn authenticate<B: MessageBody>(
    authenticator: Data<Authenticator>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    if let Err(refusal) = authenticator.hosts.check(request.head()) {
        debug!(?peer, ?refusal, "request rejected: host not allowed");
        let response = host_problem(refusal).error_response();
        return Ok(request.into_response(response).map_into_right_body());
    }
    if authenticator.is_unsafe_cross_origin(&request) {
        debug!(
            ?peer,
            "request rejected: unsafe request from another origin"
        );
        let detail = "unsafe requests from web pages of other origins need an API key; see the setting api.cors_origins";
        let response = Problem::new(ProblemKind::Forbidden, detail).error_response();
        return Ok(request.into_response(response).map_into_right_body());
    }
    let identity = authenticator.identify(request.headers());
    if !is_api(request.match_info().as_str()) {
        request.extensions_mut().insert(identity);
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let caller = match &identity {
        Ok(caller) => caller,
        Err(reason) => {
            debug!(
                ?peer,
                ?reason,
                "request rejected: caller is not authenticated"
            );
            let response = credentials::unauthenticated(*reason);
            return Ok(request.into_response(response).map_into_right_body());
        }
    };
    let vendor_id = || path::vendor_id(request.request()).ok();
    let confinement = vendor_keys::confinement(caller, request.match_info().as_str(), vendor_id);
    let Some(limiter) = &authenticator.limiter else {
        return respond(request, identity, confinement, next).await;
    };
    let rate_limit = match caller {
        Caller::Known(known) => limiter.count_slot(known.slot),
        Caller::Anonymous => limiter.count_address(peer),
    };
    if rate_limit.is_exceeded() {
        let response = request.into_response(rate_limit.rejection());
        return Ok(response.map_into_right_body());
    }
    match respond(request, identity, confinement, next).await {
        Ok(mut response) => {
            rate_limit.write_headers(response.headers_mut());
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                rate_limit.write_headers(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// Passes a request on with its caller, unless there is a response already.
async fn respond<B: MessageBody>(
    request: ServiceRequest,
    identity: Identity,
    response: Option<HttpResponse>,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if let Some(response) = response {
        return Ok(request.into_response(response).map_into_right_body());
    }
    request.extensions_mut().insert(identity);
    Ok(next.call(request).await?.map_into_left_body())
}

fn host_problem(refusal: HostRefusal) -> Problem {
    match refusal {
        HostRefusal::Malformed => Problem::malformed("the request must name exactly one host"),
        HostRefusal::Foreign => Problem::new(
            ProblemKind::MisdirectedRequest,
            "the host of the request is neither a loopback name or address nor in the setting api.allowed_hosts",
        ),
    }
}

/// Whether a path, as decoded by the router, belongs to the API.
fn is_api(path: &str) -> bool {
    path.strip_prefix("/api")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_paths_are_the_segment_api_and_everything_below() {
        for api in ["/api", "/api/", "/api/v1/orders", "/api//", "/api/../x"] {
            assert!(is_api(api), "{api}");
        }
        for other in ["/", "/apis", "/API/v1", "//api", "/x/api", "/healthz"] {
            assert!(!is_api(other), "{other}");
        }
    }
}
