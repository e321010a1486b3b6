//! Conversion of settings to server options, for the programs that serve the API.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use domain::services::OrderBatcherSettings;
use settings::{RateLimitSettings, Settings};

use crate::{ChangeFeedSettings, Identity, RateLimit, ServerOptions};

impl From<&Settings> for ServerOptions {
    fn from(settings: &Settings) -> Self {
        let api = &settings.api;
        Self {
            address: SocketAddr::new(api.address, api.port),
            workers: api.workers,
            body_timeout: api.body_timeout,
            send_timeout: api.send_timeout,
            shutdown_timeout: api.shutdown_timeout,
            drain_time: api.drain_time,
            batcher: OrderBatcherSettings {
                max_batch: api.write_batch_size,
                max_waiting: api.write_queue_size,
            },
            batch_writers: api.batch_writers,
            change_feed: ChangeFeedSettings {
                max_event_streams: api.max_event_streams,
                max_bytes: api.event_buffer_bytes,
                bytes_per_second: api.event_bytes_per_second,
            },
            keys: settings.api_keys.clone(),
            allowed_hosts: api.allowed_hosts.clone(),
            rate_limit: rate_limit(&api.rate_limit),
            cors_origins: api.cors_origins.clone(),
            tls: api.tls.as_ref().map(|tls| Identity {
                certificate: tls.certificate.clone(),
                key: tls.key.clone(),
            }),
        }
    }
}

fn rate_limit(settings: &RateLimitSettings) -> Option<RateLimit> {
    let per = settings.per;
    NonZeroU32::new(settings.requests).map(|requests| RateLimit { requests, per })
}
