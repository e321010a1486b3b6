//! Conversion of settings to server options, for the programs that serve the API.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use settings::{ApiSettings, RateLimitSettings, Settings};

use crate::{ChangeFeedSettings, RateLimit, ServerOptions, TlsFiles};

impl From<&Settings> for ServerOptions {
    fn from(settings: &Settings) -> Self {
        let api = &settings.api;
        Self {
            address: SocketAddr::new(api.address, api.port),
            workers: api.workers,
            body_timeout: api.body_timeout,
            send_timeout: api.send_timeout,
            shutdown_timeout: api.shutdown_timeout,
            keys: settings.api_keys.clone(),
            allowed_hosts: api.allowed_hosts.clone(),
            rate_limit: rate_limit(&api.rate_limit),
            cors_origins: api.cors_origins.clone(),
            tls: api.tls.as_ref().map(|tls| TlsFiles {
                certificate: tls.certificate.clone(),
                key: tls.key.clone(),
            }),
        }
    }
}

impl From<&ApiSettings> for ChangeFeedSettings {
    fn from(settings: &ApiSettings) -> Self {
        Self {
            max_event_streams: settings.max_event_streams,
            max_bytes: settings.event_buffer_bytes,
            bytes_per_second: settings.event_bytes_per_second,
        }
    }
}

fn rate_limit(settings: &RateLimitSettings) -> Option<RateLimit> {
    let per = settings.per;
    NonZeroU32::new(settings.requests).map(|requests| RateLimit { requests, per })
}
