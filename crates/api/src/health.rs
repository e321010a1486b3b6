//! Whether this process lives, whether it can do its work, and what it is.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use async_trait::async_trait;
use domain::ports::{OutboxLag, StoreProbe};
use readiness::{Dependencies, Dependency, DependencyState, Readiness, ReadinessProbe};
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;

use crate::state::AppState;

/// Longest wait for the database: probes have deadlines of their own, of a few seconds as a rule.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// That the process lives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    /// `alive`.
    status: &'static str,
}

/// `GET /healthz`: an answer at all is the answer.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "alive" })
}

/// `GET /readyz`: 200 while orders can be taken.
pub(crate) async fn ready(state: Data<AppState>) -> HttpResponse {
    let mut readiness = state.readiness.readiness().await;
    if state.is_shutting_down() {
        readiness.closed = Some("shutting down");
    }
    readiness.response()
}

/// The readiness of an API that is a process of its own: it needs its store and nothing else.
pub struct StoreReadiness(pub Arc<dyn StoreProbe>);

#[async_trait]
impl ReadinessProbe for StoreReadiness {
    async fn readiness(&self) -> Readiness {
        let lag = outbox_lag(self.0.as_ref()).await;
        let broker = "orders are handed over through the outbox; only workers use the broker";
        Readiness {
            closed: None,
            dependencies: Dependencies {
                database: match &lag {
                    Ok(_) => Dependency::up(),
                    Err(reason) => Dependency::down(*reason),
                },
                broker: Dependency {
                    state: DependencyState::NotUsed,
                    detail: Some(broker.to_owned()),
                },
            },
            outbox_lag: lag.ok().map(|lag| lag.oldest.unwrap_or_default()),
            tasks: None,
        }
    }
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
                timeout_ms = PROBE_TIMEOUT.as_millis(),
                "not ready: the database does not answer in time"
            );
            Err("it does not answer in time")
        }
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(state: Data<AppState>) -> HttpResponse {
    state.metrics.response().await
}

/// What this service is, and the paths at which it is found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Description {
    /// Its name.
    service: &'static str,
    /// The version of the program.
    version: &'static str,
    /// What all paths of the API begin with.
    api: &'static str,
    /// Orders.
    orders: &'static str,
    /// Stock.
    stock: &'static str,
    /// Vendors.
    vendors: &'static str,
    /// The contract, to read and try.
    docs: &'static str,
    /// The contract, in OpenAPI 3.1.
    openapi: &'static str,
    /// Whether the process lives.
    liveness: &'static str,
    /// Whether it can do its work.
    readiness: &'static str,
    /// What it counts.
    metrics: &'static str,
}

/// `GET /`.
pub(crate) async fn describe() -> HttpResponse {
    HttpResponse::Ok().json(Description {
        service: "order aggregator",
        version: env!("CARGO_PKG_VERSION"),
        api: "/api/v1",
        orders: "/api/v1/orders",
        stock: "/api/v1/stock",
        vendors: "/api/v1/vendors",
        docs: "/docs",
        openapi: "/openapi.json",
        liveness: "/healthz",
        readiness: "/readyz",
        metrics: "/metrics",
    })
}
