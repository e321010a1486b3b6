//! `/healthz` and `/readyz` of a worker.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use domain::ports::{OrderQueue, StoreProbe};
use serde::Serialize;
use tokio::time::timeout;

use crate::supervisor::Supervisor;

/// A dependency that does not answer within this counts as down.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What readiness looks at.
#[derive(Clone)]
pub struct Health {
    /// The store.
    pub probe: Arc<dyn StoreProbe>,
    /// The queue.
    pub queue: Arc<dyn OrderQueue>,
    /// The tasks.
    pub supervisor: Supervisor,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    dependencies: BTreeMap<&'static str, Dependency>,
    outbox_lag_seconds: Option<f64>,
    tasks: BTreeMap<String, Task>,
}

#[derive(Serialize)]
struct Dependency {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Task {
    state: &'static str,
    restarts: u64,
    last_error: Option<String>,
}

impl Dependency {
    fn from_result<T, E: ToString>(
        answer: Result<Result<T, E>, tokio::time::error::Elapsed>,
    ) -> Self {
        let error = match answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        Self {
            state: if error.is_none() { "up" } else { "down" },
            error,
        }
    }
}

impl Health {
    async fn readiness(&self) -> (bool, Readiness) {
        let (lag, queue) = tokio::join!(
            timeout(PROBE_TIMEOUT, self.probe.outbox_lag()),
            timeout(PROBE_TIMEOUT, self.queue.probe()),
        );
        let outbox_lag_seconds = match &lag {
            Ok(Ok(lag)) => Some(lag.oldest.unwrap_or_default().as_secs_f64()),
            _ => None,
        };
        let dependencies = BTreeMap::from([
            ("postgresql", Dependency::from_result(lag)),
            ("rabbitmq", Dependency::from_result(queue)),
        ]);
        let tasks: BTreeMap<_, _> = self
            .supervisor
            .states()
            .into_iter()
            .map(|(name, state)| {
                let task = Task {
                    state: if state.running {
                        "running"
                    } else {
                        "restarting"
                    },
                    restarts: state.restarts,
                    last_error: state.last_error,
                };
                (name, task)
            })
            .collect();
        let ready = !self.supervisor.is_stopping()
            && dependencies
                .values()
                .all(|dependency| dependency.state == "up")
            && tasks.values().all(|task| task.state == "running");
        let readiness = Readiness {
            status: if ready { "ready" } else { "not ready" },
            dependencies,
            outbox_lag_seconds,
            tasks,
        };
        (ready, readiness)
    }
}

/// Serves the two pages on a socket that is bound already.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve(listener: TcpListener, health: Health) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(health.clone()))
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?;
    Ok(server.run())
}

/// Binds the address of the pages.
///
/// # Errors
/// If it is taken or not this machine's.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
}

async fn healthz() -> impl Responder {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .json(BTreeMap::from([("status", "alive")]))
}

async fn readyz(health: web::Data<Health>) -> impl Responder {
    let (ready, readiness) = health.readiness().await;
    let mut answer = if ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    answer
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .json(readiness)
}
