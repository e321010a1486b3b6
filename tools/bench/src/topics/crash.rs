//! Orders that are lost when processes are killed under load: of the service, and of the script in Redis.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use dev_env::endpoints;
use progress::Progress;
use serde_json::Value;

use super::closed::REDIS;
use crate::against::Build;
use crate::measure::{as_f64, wait_until_settled};
use crate::redis_server::RedisPeer;
use crate::run::Run;
use crate::system::Storage;

pub(crate) const TOPIC: &str = "crash";
pub(crate) const API_AND_WORKER: &str = "API and worker";
const CONNECTIONS: usize = 64;
const BODY: &str = r#"{"product_id":"SKU-1","quantity":1}"#;

/// Kills the processes of each system in each round.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    for _ in 0..run.scale.rounds {
        service(run).await?;
        redis(run).await?;
    }
    Ok(())
}

/// Orders after a crash.
struct Counts {
    /// Responses with success before the crash.
    successes: usize,
    /// Orders among them that exist after the restart.
    kept: usize,
    /// All orders that exist after the restart.
    all: usize,
}

async fn service(run: &mut Run) -> Result<()> {
    let mut system = run.start_system(Build::This, "").await?;
    let Storage::Servers(servers) = &system.storage else {
        return Ok(());
    };
    let database = servers.database().await?;
    let before = database.newest_order().await?;
    let load = place_orders(&endpoints::http_url(system.api))?;
    tokio::time::sleep(load_time(run)).await;
    system.kill().await;
    let ids = load.ids().await?;
    system.start_again(&run.builds).await?;
    let ids: Result<Vec<i64>, _> = ids.iter().map(|id| id.parse()).collect();
    let ids = ids.context("an id is not a number")?;
    wait_until_settled(&system, before).await?;
    let counts = Counts {
        successes: ids.len(),
        kept: usize::try_from(database.settled_among(&ids).await?)?,
        all: usize::try_from(database.settled_after(before).await?)?,
    };
    record(run, API_AND_WORKER, &counts);
    run.audit(&system).await?;
    system.stop().await
}

async fn redis(run: &mut Run) -> Result<()> {
    let mut peer = RedisPeer::start(run.builds.programs(Build::This)).await?;
    let load = place_orders(&endpoints::http_url(peer.address))?;
    tokio::time::sleep(load_time(run)).await;
    peer.kill_server().await;
    let ids = load.ids().await?;
    peer.start_server().await?;
    let orders = peer.orders().await?;
    let counts = Counts {
        successes: ids.len(),
        kept: ids.iter().filter(|id| orders.contains(*id)).count(),
        all: orders.len(),
    };
    record(run, REDIS, &counts);
    peer.stop().await
}

/// A few seconds: the service settles the orders after its restart.
fn load_time(run: &Run) -> Duration {
    Duration::from_secs(run.scale.seconds.min(3))
}

fn record(run: &mut Run, what: &str, counts: &Counts) {
    let number = |count: usize| as_f64(count as u64);
    let (lost, silent) = (
        number(counts.successes - counts.kept),
        number(counts.all - counts.kept),
    );
    let name = format!("{TOPIC}: {what}");
    Progress::spinner(name.clone()).finish(&format!(
        "{name}: {} responses with success, {lost} of these orders lost; {silent} other orders exist",
        counts.successes
    ));
    let values = [
        ("successes", number(counts.successes)),
        ("lost", lost),
        ("without_response", silent),
    ];
    run.results.add_all((TOPIC, what, 0.0), values);
}

/// Clients that send orders until one fails.
struct Orders {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    ids: Arc<Mutex<Vec<String>>>,
}

fn place_orders(url: &str) -> Result<Orders> {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let client = endpoints::client()?;
    let url = format!("{url}/api/v1/order");
    let tasks = (0..CONNECTIONS).map(|_| {
        let (client, url, ids) = (client.clone(), url.clone(), Arc::clone(&ids));
        tokio::spawn(async move {
            loop {
                let request = client.post(&url).header("Content-Type", "application/json");
                let Ok(response) = request.body(BODY).send().await else {
                    return;
                };
                if !response.status().is_success() {
                    return;
                }
                let Ok(text) = response.text().await else {
                    return;
                };
                if let (Some(id), Ok(mut ids)) = (order_id(&text), ids.lock()) {
                    ids.push(id);
                }
            }
        })
    });
    Ok(Orders {
        tasks: tasks.collect(),
        ids,
    })
}

impl Orders {
    /// Waits until all clients have failed. Returns the ids in the responses with success.
    async fn ids(self) -> Result<Vec<String>> {
        for task in self.tasks {
            task.await?;
        }
        let mut ids = self
            .ids
            .lock()
            .map_err(|_| anyhow::anyhow!("a client panicked"))?;
        Ok(std::mem::take(&mut *ids))
    }
}

/// Returns the id of an order: a number, or a text.
fn order_id(body: &str) -> Option<String> {
    match serde_json::from_str::<Value>(body).ok()?.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_a_number_or_a_text() {
        assert_eq!(order_id(r#"{"id":7,"status":"PENDING"}"#).unwrap(), "7");
        assert_eq!(order_id(r#"{"id":"170-0"}"#).unwrap(), "170-0");
        assert!(order_id("{}").is_none() && order_id("no JSON").is_none());
    }
}
