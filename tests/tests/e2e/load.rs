//! More concurrent requests than database connections.

use tests::{Deployment, concurrently, scale};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_beyond_the_pool_size_all_succeed() {
    let rounds = scale::pick(3, 20);
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 1_000_000)])
        .settings("[database]\npool_size = 10\n")
        .start()
        .await;
    let client = deployment.client(0);
    for _ in 0..rounds {
        let place = |_| {
            let client = client.clone();
            async move { client.place("1", 1).await }
        };
        concurrently(200, place).await;
    }
    deployment.all_settled().await;
    assert_eq!(client.quantity("1").await, 1_000_000 - 200 * rounds);
    deployment.audit().await;
}
