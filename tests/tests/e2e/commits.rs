//! Commits that hang, commits with an unknown outcome, and commits that the server confirms before they are durable.

use std::time::Duration;

use client::{ClientError, OrderStatus, ProblemKind};
use tests::{Cluster, Consumer, Deployment, eventually};
use tokio::time::{Instant, sleep};

/// A synchronous standby that does not exist: each commit waits for it.
const GHOST: &str = "synchronous_standby_names = 'ghost'";

const SETTINGS: &str = "[database]\ncommit_timeout = \"2s\"\n";

async fn start(cluster: &Cluster) -> Deployment {
    Deployment::builder()
        .vendor("vendor-a", &[("1", 100)])
        .settings(SETTINGS)
        .on_server(cluster.options())
        .start()
        .await
}

/// Makes each subsequent commit of a write hang.
async fn require_ghost(cluster: &Cluster) {
    cluster.configure(GHOST);
    // Each backend reloads the configuration separately.
    sleep(Duration::from_secs(1)).await;
}

fn is_unknown(error: &ClientError) -> bool {
    error.status() == Some(504) && error.kind() == Some(&ProblemKind::OutcomeUnknown)
}

async fn is_ready(client: &Consumer) -> bool {
    client.readiness().await.0 == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_commit_returns_504_and_a_retry_with_the_key_finds_the_order() {
    let cluster = Cluster::start("");
    let deployment = start(&cluster).await;
    let client = deployment.client(0);
    require_ghost(&cluster).await;
    let started = Instant::now();
    let unknown = client.try_place("1", 1, Some("k1")).await.unwrap_err();
    let took = started.elapsed();
    assert!(is_unknown(&unknown), "{unknown}");
    assert!(took < Duration::from_secs(10), "after {took:?}");
    assert!(unknown.is_outcome_unknown());

    // No other commit is started, and the process reports that it is not ready.
    let started = Instant::now();
    let refused = client.try_place("1", 1, None).await.unwrap_err();
    assert_eq!(refused.status(), Some(503), "{refused}");
    assert!(started.elapsed() < Duration::from_secs(1));
    let worker = deployment.worker_client(0);
    eventually("neither process is ready", async || {
        let is_any_ready = is_ready(&client).await || is_ready(&worker).await;
        (!is_any_ready).then_some(())
    })
    .await;
    // The commit was not cancelled: it is still waiting, so its order is not visible.
    let waiting = cluster.query(
        "postgres",
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
    );
    assert_ne!(waiting, "0");
    assert_eq!(client.all_orders().await.len(), 0);

    cluster.configure("");
    eventually("both are ready again", async || {
        (is_ready(&client).await && is_ready(&worker).await).then_some(())
    })
    .await;
    let placed = client.try_place("1", 1, Some("k1")).await.unwrap();
    assert!(placed.replayed);
    let settled = client.settled(placed.order.id).await;
    assert_eq!(settled.status, OrderStatus::Confirmed);
    assert_eq!(client.all_orders().await.len(), 1);
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_with_a_cancelled_wait_does_not_return_202() {
    let cluster = Cluster::start("");
    let deployment = start(&cluster).await;
    let client = deployment.client(0);
    require_ghost(&cluster).await;
    let placing = {
        let client = client.clone();
        tokio::spawn(async move { client.try_place("1", 1, Some("k1")).await })
    };
    eventually("the commit waits and is cancelled", async || {
        let cancelled = cluster.query(
            "postgres",
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
             WHERE wait_event = 'SyncRep' AND application_name = 'order-aggregator-api'",
        );
        cancelled.contains('t').then_some(())
    })
    .await;
    let unknown = placing.await.unwrap().unwrap_err();
    assert!(is_unknown(&unknown), "{unknown}");
    // The order exists nevertheless, and its key identifies it.
    assert_eq!(client.all_orders().await.len(), 1);
    cluster.configure("");
    let placed = eventually("the order is found by its key", async || {
        client.try_place("1", 1, Some("k1")).await.ok()
    })
    .await;
    assert!(placed.replayed);
    client.settled(placed.order.id).await;
    deployment.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asynchronous_commit_on_the_server_loses_no_accepted_order() {
    let cluster = Cluster::start("synchronous_commit = off\nwal_writer_delay = '10s'");
    let deployment = start(&cluster).await;
    let client = deployment.client(0);
    // Let the WAL writer finish its background work first.
    sleep(Duration::from_secs(1)).await;
    let mut accepted = Vec::new();
    for _ in 0..30 {
        accepted.push(client.place("1", 1).await.id);
    }
    cluster.crash();
    cluster.run();
    eventually("orders are accepted again", async || {
        client.try_place("1", 1, None).await.ok()
    })
    .await;
    deployment.all_settled().await;
    for id in accepted {
        assert_eq!(client.order(id).await.status, OrderStatus::Confirmed);
    }
    deployment.audit().await;
}
