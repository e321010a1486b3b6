//! A primary and a standby behind a proxy: writes recover when a primary is there again, and no accepted order is lost.

use std::time::Duration;

use reqwest::StatusCode;
use tests::{Cluster, Consumer, Deployment, Proxy, eventually, scale};
use tokio::time::{Instant, sleep};

use crate::faults::{Load, check};

const STOCK: i64 = 1_000_000;

/// Longest time from a primary's return until orders are taken again.
const RECOVERY: Duration = Duration::from_secs(5);

/// How long writes take to recover from now on.
async fn recovered(client: &Consumer) -> Duration {
    let since = Instant::now();
    loop {
        if client.try_place("1", 1, None).await.is_ok() {
            return since.elapsed();
        }
        assert!(
            since.elapsed() < 6 * RECOVERY,
            "orders are still refused after {:?}",
            since.elapsed()
        );
        sleep(Duration::from_millis(20)).await;
    }
}

async fn start(proxy: &Proxy, primary: &Cluster) -> Deployment {
    let mut server = primary.options();
    server.port = proxy.address().port();
    Deployment::builder()
        .vendor("vendor-a", &[("1", STOCK)])
        .on(server)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_led_to_a_standby_do_not_outlive_its_time() {
    let primary = Cluster::start("");
    let standby = primary.standby();
    let proxy = Proxy::start(primary.address()).await;
    let deployment = start(&proxy, &primary).await;
    let client = deployment.client(0);
    client.settled(client.place("1", 1).await.id).await;

    proxy.cut();
    proxy.lead_to(standby.address());
    proxy.restore();
    // For long enough that every task of each process has tried.
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        let refused = client.try_place("1", 1, None).await.unwrap_err();
        assert_eq!(refused.status(), Some(503), "{refused}");
        sleep(Duration::from_millis(100)).await;
    }
    // Back to the primary, while what is open to the standby stays open.
    proxy.lead_to(primary.address());
    let took = recovered(&client).await;
    println!("writes recovered after {:.2} s", took.as_secs_f64());
    assert!(took < RECOVERY, "writes recovered after {took:?}");
    let settling = Instant::now();
    client.settled(client.place("1", 1).await.id).await;
    let took = settling.elapsed();
    assert!(took < 2 * RECOVERY, "settlement recovered after {took:?}");
    // The lease is one of the primary again.
    deployment.syncs(1).await;
    deployment.audit().await;
}

/// Makes the standby the primary after the primary's crash, and returns how long writes took to recover from then on.
async fn fail_over(proxy: &Proxy, from: &Cluster, to: &Cluster, client: &Consumer) -> Duration {
    proxy.cut();
    from.crash();
    // It is alone from now on.
    to.configure("");
    to.promote();
    proxy.lead_to(to.address());
    proxy.restore();
    let took = recovered(client).await;
    from.rejoin(to);
    replicate(to).await;
    took
}

/// From now on each commit waits for the standby, which has everything up to now.
async fn replicate(primary: &Cluster) {
    primary.configure("synchronous_standby_names = '*'");
    eventually("the standby has everything", async || {
        let state = primary.query("postgres", "SELECT sync_state FROM pg_stat_replication");
        state.lines().any(|state| state == "sync").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_and_failback_under_load_lose_no_order_and_settle_none_twice() {
    let rounds = scale::pick(1, 5);
    let (first, proxy) = (Cluster::start(""), Proxy::start(String::new()).await);
    proxy.lead_to(first.address());
    let second = first.standby();
    replicate(&first).await;
    let deployment = start(&proxy, &first).await;
    let client = deployment.client(0);
    let load = Load::start(std::slice::from_ref(&client), 8, "1");
    let mut recoveries = Vec::new();
    for _ in 0..rounds {
        sleep(Duration::from_secs(1)).await;
        recoveries.push(fail_over(&proxy, &first, &second, &client).await);
        sleep(Duration::from_secs(1)).await;
        recoveries.push(fail_over(&proxy, &second, &first, &client).await);
    }
    sleep(Duration::from_secs(1)).await;
    let (accepted, refused) = load.stop().await;
    recoveries.sort_unstable();
    let (median, worst) = (
        recoveries[recoveries.len() / 2],
        recoveries[recoveries.len() - 1],
    );
    println!(
        "{rounds} failovers and failbacks: {} orders accepted, {refused} requests refused; writes recovered after {:.2} s \
         (median), {:.2} s (worst)",
        accepted.len(),
        median.as_secs_f64(),
        worst.as_secs_f64()
    );
    assert!(
        accepted.len() > 100,
        "{} orders are no load",
        accepted.len()
    );
    check(&deployment, &accepted, STOCK).await;
    assert!(worst < RECOVERY, "writes recovered after {worst:?}");
    let ready = client.try_get("/readyz").await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
}
