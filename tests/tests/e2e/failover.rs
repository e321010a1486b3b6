//! Failover between a primary and a standby behind a proxy: writes recover, and no accepted order is lost.

use std::time::Duration;

use tests::{Cluster, Consumer, Deployment, Proxy, eventually, scale};
use tokio::time::{Instant, sleep};

use crate::faults::{check, start_load, stop_load};

const STOCK: i64 = 1_000_000;

/// Maximum time from the availability of a primary until orders are accepted again.
const MAX_RECOVERY: Duration = Duration::from_secs(5);

/// Waits until writes succeed and returns the elapsed time.
async fn wait_for_writes(client: &Consumer) -> Duration {
    let since = Instant::now();
    loop {
        if client.try_place("1", 1, None).await.is_ok() {
            return since.elapsed();
        }
        assert!(
            since.elapsed() < 6 * MAX_RECOVERY,
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
        .on_server(server)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_standby_are_replaced_after_the_switch_to_the_primary() {
    let primary = Cluster::start("");
    let standby = primary.standby();
    let proxy = Proxy::start(primary.address()).await;
    let deployment = start(&proxy, &primary).await;
    let client = deployment.client(0);
    client.place_settled("1", 1).await;

    proxy.cut();
    proxy.set_target(standby.address());
    proxy.restore();
    // Long enough for every task of each process to try.
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        let refused = client.try_place("1", 1, None).await.unwrap_err();
        assert_eq!(refused.status(), Some(503), "{refused}");
        sleep(Duration::from_millis(100)).await;
    }
    // Switch back to the primary; open connections to the standby stay open.
    proxy.set_target(primary.address());
    let took = wait_for_writes(&client).await;
    println!("writes recovered after {:.2} s", took.as_secs_f64());
    assert!(took < MAX_RECOVERY, "writes recovered after {took:?}");
    let settling = Instant::now();
    client.place_settled("1", 1).await;
    let took = settling.elapsed();
    assert!(
        took < 2 * MAX_RECOVERY,
        "settlement recovered after {took:?}"
    );
    // The sync lease is held on the primary again.
    deployment.wait_for_syncs(1).await;
    deployment.audit().await;
}

/// Crashes the primary and promotes the standby. Returns the time until writes recovered.
async fn fail_over(proxy: &Proxy, from: &Cluster, to: &Cluster, client: &Consumer) -> Duration {
    proxy.cut();
    from.crash();
    // The new primary has no standby.
    to.configure("");
    to.promote();
    proxy.set_target(to.address());
    proxy.restore();
    let took = wait_for_writes(client).await;
    from.rejoin(to);
    replicate(to).await;
    took
}

/// Enables synchronous replication and waits until the standby has caught up.
async fn replicate(primary: &Cluster) {
    primary.configure("synchronous_standby_names = '*'");
    eventually("the standby is in sync", async || {
        let state = primary.query("postgres", "SELECT sync_state FROM pg_stat_replication");
        state.lines().any(|state| state == "sync").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_and_failback_under_load_lose_no_order_and_settle_none_twice() {
    let rounds = scale::pick(1, 5);
    let (first, proxy) = (Cluster::start(""), Proxy::start(String::new()).await);
    proxy.set_target(first.address());
    let second = first.standby();
    replicate(&first).await;
    let deployment = start(&proxy, &first).await;
    let client = deployment.client(0);
    let load = start_load(std::slice::from_ref(&client), 8);
    let mut recoveries = Vec::new();
    for _ in 0..rounds {
        sleep(Duration::from_secs(1)).await;
        recoveries.push(fail_over(&proxy, &first, &second, &client).await);
        sleep(Duration::from_secs(1)).await;
        recoveries.push(fail_over(&proxy, &second, &first, &client).await);
    }
    sleep(Duration::from_secs(1)).await;
    let (accepted, refused) = stop_load(load).await;
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
        "only {} orders were accepted",
        accepted.len()
    );
    check(&deployment, &accepted, STOCK).await;
    assert!(worst < MAX_RECOVERY, "writes recovered after {worst:?}");
    assert_eq!(client.readiness().await.0, 200);
}
