//! More requests at once than connections to the database.

use reqwest::StatusCode;
use tests::{Deployment, scale};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_with_a_small_pool_neither_hangs_nor_fails() {
    let rounds = scale::pick(3, 20);
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 1_000_000)])
        .settings("[database]\npool_size = 10\n")
        .start()
        .await;
    let client = deployment.client(0);
    for _ in 0..rounds {
        let mut posts = JoinSet::new();
        for _ in 0..200 {
            let client = client.clone();
            posts.spawn(async move { client.try_order("1", 1, None).await.unwrap().status() });
        }
        while let Some(status) = posts.join_next().await {
            assert_eq!(status.unwrap(), StatusCode::ACCEPTED);
        }
    }
    deployment.all_settled().await;
    assert_eq!(client.quantity("1").await, 1_000_000 - 200 * rounds);
    deployment.audit().await;
}
