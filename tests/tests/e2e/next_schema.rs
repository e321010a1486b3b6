//! Programs that keep running while the next version's migration adds columns and values.

use client::OrderStatus;
use tests::{Deployment, assert_contains};

/// Runs each read and each kind of write, so that all statements are prepared on the pooled connections.
async fn use_everything(deployment: &Deployment) {
    let client = deployment.client(0);
    for _ in 0..4 {
        for path in [
            "/api/v1/vendors",
            "/api/v1/stock",
            "/api/v1/stock/1",
            "/api/v1/orders",
            "/api/v1/orders?status=CONFIRMED",
            "/api/v1/orders?product_id=1",
            "/api/v1/orders?product_id=1&status=CONFIRMED",
        ] {
            client.get(path).await;
        }
        let sold = client.place_and_wait("1", 1, 20).await.order;
        assert_eq!(sold.status, OrderStatus::Confirmed);
        let repeated = client.try_place("1", 1, Some("the-same")).await.unwrap();
        client.settled(repeated.order.id).await;
        let unknown = client.place_and_wait("none", 1, 20).await.order;
        assert_eq!(unknown.status, OrderStatus::Rejected);
        let shipped = client.change(sold.id, OrderStatus::Shipped).await.unwrap();
        client
            .change(shipped.id, OrderStatus::Delivered)
            .await
            .unwrap();
        let cancelled = client.place_and_wait("1", 2, 20).await.order.id;
        let cancelled = client.change(cancelled, OrderStatus::Cancelled).await;
        assert_eq!(cancelled.unwrap().status, OrderStatus::Cancelled);
    }
    deployment.wait_for_syncs(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_work_with_the_schema_and_values_of_the_next_version() {
    let deployment = Deployment::start(&[("1", 1_000), ("2", 5)]).await;
    let client = deployment.client(0);
    let mut events = client.events(None).await;
    use_everything(&deployment).await;
    deployment
        .execute(
            "DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ '^__' LOOP
                     EXECUTE format('ALTER TABLE %I ADD COLUMN a_later_note text DEFAULT ''later''', name);
                     EXECUTE format('ALTER TABLE %I ADD COLUMN a_later_number bigint', name);
                 END LOOP;
             END $$",
        )
        .await;
    use_everything(&deployment).await;
    let id = client.place_and_wait("2", 1, 20).await.order.id;
    events.find("order", |order| order["id"] == id).await;

    // Block the vendor's next sync, so that its row keeps the next version's value.
    deployment
        .execute(
            "DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT conname FROM pg_constraint
                     WHERE conrelid = 'vendor_syncs'::regclass AND contype = 'c' AND conname ~ 'outcome' LOOP
                     EXECUTE format('ALTER TABLE vendor_syncs DROP CONSTRAINT %I', name);
                 END LOOP;
             END $$",
        )
        .await;
    deployment.vendors[0].set_fault(mock_vendor::Fault::Hang);
    deployment.wait_for_syncs(0).await;
    deployment
        .execute("UPDATE vendor_syncs SET outcome = 'OF_A_LATER_VERSION', error = NULL")
        .await;
    let vendors = client.get("/api/v1/vendors").await.to_string();
    assert_contains(&vendors, "\"status\":\"OK\"");
    deployment.audit().await;
}
