//! Programs that connect to the database through pgbouncer.

use std::time::Duration;

use tests::{Cluster, Deployment, Pooler};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_through_a_pooler_keep_their_timeouts() {
    let cluster = Cluster::start("");
    let pooler = Pooler::start(&cluster.options(), "session").await;
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 100)])
        .settings("[database]\nlock_timeout = \"700ms\"\n")
        .on_server(cluster.options())
        .database_port(pooler.port())
        .start()
        .await;
    let client = deployment.client(0);
    let placed = client.place_and_wait("1", 3, 20).await;
    assert!(placed.waited, "{placed:?}");
    assert_eq!(client.quantity("1").await, 97);

    // A lock that is held for longer than `lock_timeout` fails the request before the lock is released.
    let database = deployment.database.options().database.clone();
    let holding = tokio::task::spawn_blocking(move || {
        let hold = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5)";
        let _ = cluster.query(&database, hold);
        cluster
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = tokio::time::Instant::now();
    let refused = client.try_place("1", 1, None).await.unwrap_err();
    assert_eq!(refused.status(), Some(503), "{refused}");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "after {took:?}");
    let _cluster = holding.await.unwrap();
    deployment.all_settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_exit_at_start_behind_a_transaction_pooler() {
    let cluster = Cluster::start("");
    let pooler = Pooler::start(&cluster.options(), "transaction").await;
    let deployment = Deployment::builder()
        .apis(0)
        .workers(0)
        .on_server(cluster.options())
        .start()
        .await;
    for program in ["order-aggregator-api", "order-aggregator-worker"] {
        let port = pooler.port().to_string();
        let mut process = deployment.start_another(program, &[("DB_PORT", &port)]);
        assert!(!process.wait().await, "{program} exited with success");
        let log = process.log();
        let lines = log.lines().filter(|line| line.contains("pool_mode"));
        assert_eq!(lines.count(), 1, "{log}");
    }
}
