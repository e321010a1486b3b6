//! Whether this process lives, whether it can do its work, and what it is.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use domain::ports::{OutboxLag, StoreProbe};
use serde::Serialize;
use serde_json::json;
use tracing::warn;

use crate::problem::RETRY_AFTER_S;
use crate::state::AppState;

/// Longest wait for the database: probes have deadlines of their own, of a few seconds as a rule.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /healthz`: an answer at all is the answer.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// The answer, in the words that a worker's has too.
#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    dependencies: Dependencies,
    outbox: Outbox,
}

#[derive(Serialize)]
struct Dependencies {
    database: Dependency,
    broker: Dependency,
}

#[derive(Serialize)]
struct Dependency {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

#[derive(Serialize)]
struct Outbox {
    /// The age of the oldest order that waits to be handed to the queue: 0 if none does, null if that is not known.
    lag_ms: Option<u64>,
}

/// `GET /readyz`: 200 while orders can be taken.
pub(crate) async fn ready(state: Data<AppState>) -> HttpResponse {
    let lag = outbox_lag(state.probe.as_ref()).await;
    let shutting_down = state.is_shutting_down();
    let ready = lag.is_ok() && !shutting_down;
    let readiness = Readiness {
        status: if ready { "ready" } else { "not_ready" },
        detail: shutting_down.then_some("shutting down"),
        dependencies: Dependencies {
            database: Dependency {
                state: if lag.is_ok() { "up" } else { "down" },
                detail: lag.as_ref().err().copied(),
            },
            broker: Dependency {
                state: "not_used",
                detail: Some(
                    "orders are handed over through the outbox; only workers use the broker",
                ),
            },
        },
        outbox: Outbox {
            lag_ms: lag.ok().map(|lag| millis(lag.oldest.unwrap_or_default())),
        },
    };
    if ready {
        return HttpResponse::Ok().json(readiness);
    }
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, RETRY_AFTER_S))
        .json(readiness)
}

/// How far the outbox is behind, or why the database does not tell, as far as that is anyone's business.
async fn outbox_lag(probe: &dyn StoreProbe) -> Result<OutboxLag, &'static str> {
    match tokio::time::timeout(PROBE_TIMEOUT, probe.outbox_lag()).await {
        Ok(Ok(lag)) => Ok(lag),
        Ok(Err(error)) => {
            warn!(%error, "not ready: the database cannot answer");
            Err("it cannot answer")
        }
        Err(_) => {
            warn!(
                timeout_ms = millis(PROBE_TIMEOUT),
                "not ready: the database does not answer in time"
            );
            Err("it does not answer in time")
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// `GET /`.
pub(crate) async fn describe() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "service": "order aggregator",
        "version": env!("CARGO_PKG_VERSION"),
        "api": "/api/v1",
        "orders": "/api/v1/orders",
        "stock": "/api/v1/stock",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }))
}
