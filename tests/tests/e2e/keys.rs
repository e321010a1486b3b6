//! API keys on PostgreSQL and RabbitMQ: missing, invalid, without the role, and rotated.

use api_keys::KeyHash;
use client::{ClientError, NewOrder, OrderFilter, OrderStatus, PlaceOptions, ProblemKind};
use tests::{Consumer, Deployment};

fn entry(name: &str, role: &str, key: &str) -> String {
    let hash = KeyHash::of(key.as_bytes());
    format!("[[api_keys]]\nname = \"{name}\"\nroles = [\"{role}\"]\nhash = \"{hash}\"\n")
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, ClientError>, kind: &ProblemKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Some(kind), "{error:?}");
}

/// Asserts that every request is rejected as unauthenticated.
async fn assert_unauthenticated(client: &Consumer, order: i64) {
    let refused = &ProblemKind::Unauthenticated;
    assert_refused(client.try_place("1", 1, Some("k")).await, refused);
    assert_refused(client.api.order(order).await, refused);
    assert_refused(client.api.order(order + 1_000).await, refused);
    assert_refused(client.change(order, OrderStatus::Cancelled).await, refused);
    assert_refused(
        client.api.order_lines(OrderFilter::default()).await,
        refused,
    );
    assert_refused(client.api.stock("1").await, refused);
    assert_refused(client.api.sync_vendor("vendor-a").await, refused);
}

#[tokio::test]
async fn key_grants_the_permissions_of_its_role_until_it_is_rotated() {
    let old = entry("shop", "customer", "oa_old");
    let new = entry("shop", "customer", "oa_new");
    let desk = entry("desk", "operator", "oa_desk");
    let mut deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 50)])
        .settings(&[old.as_str(), &new, &desk].concat())
        .start()
        .await;
    let client_with_key = |deployment: &Deployment, key| deployment.client_with_key(0, key);

    let shop = client_with_key(&deployment, "oa_old");
    let placed = shop.try_place("1", 3, Some("k")).await.unwrap();
    assert!(!placed.replayed);
    let id = placed.order.id;
    assert_unauthenticated(&deployment.client(0), id).await;
    assert_unauthenticated(&client_with_key(&deployment, "oa_wrong"), id).await;

    // The role customer lacks the operator's permissions.
    let forbidden = &ProblemKind::Forbidden;
    assert_refused(shop.change(id, OrderStatus::Cancelled).await, forbidden);
    assert_refused(shop.api.vendors().next().await, forbidden);
    assert_refused(shop.api.sync_vendor("vendor-a").await, forbidden);
    assert_eq!(shop.settled(id).await.status, OrderStatus::Confirmed);
    assert_eq!(shop.quantity("1").await, 47);

    // Both keys belong to one holder and share its idempotency keys, which no other holder shares.
    let shop = client_with_key(&deployment, "oa_new");
    let replayed = shop.try_place("1", 3, Some("k")).await.unwrap();
    assert!(replayed.replayed && replayed.order.id == id);
    let desk = client_with_key(&deployment, "oa_desk");
    let other = desk.try_place("1", 3, Some("k")).await.unwrap();
    assert!(!other.replayed && other.order.id != id);

    deployment.edit_settings(|settings| settings.replace(&old, ""));
    assert!(deployment.apis[0].terminate().await);
    deployment.restart_api(0).await;
    assert_unauthenticated(&client_with_key(&deployment, "oa_old"), id).await;
    let options = PlaceOptions {
        idempotency_key: Some("k"),
        wait_s: None,
    };
    let again = shop.api.place(&NewOrder::new("1", 3), &options).await;
    assert_eq!(again.unwrap().order.id, id);
    let cancelled = desk.change(id, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(cancelled.status, OrderStatus::Cancelled);
    desk.all_settled().await;
    deployment.audit().await;
}
