//! A vendor that pushes its reports, end to end.

use api_keys::KeyHash;
use client::{Client, OrderStatus, ProblemKind, SyncStatus};
use tests::Standalone;

const VENDOR: &str = r#"
[[vendors]]
id = "acme"
source = { type = "push" }
format = { type = "csv" }
fields = { product_id = "SKU", quantity = "Qty" }
"#;

fn key(name: &str, key: &str, rest: &str) -> String {
    let hash = KeyHash::of(key.as_bytes());
    format!("[[api_keys]]\nname = \"{name}\"\nhash = \"{hash}\"\n{rest}\n")
}

#[tokio::test]
async fn pushed_stock_is_sold_and_a_repeated_push_returns_no_sold_unit() {
    let standalone = Standalone::start_with(VENDOR).await;
    let client = standalone.client();
    let push = async |report: &str| client.api.push_report("acme", report).await;

    let pushed = push("SKU,Qty\nA,10\n").await.unwrap();
    assert_eq!(pushed.result.status, SyncStatus::Ok);
    let order = client.place_settled("A", 4).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    push("SKU,Qty\nA,10\n").await.unwrap();
    assert_eq!(client.quantity("A").await, 6);
    let shipped = client.change(order.id, OrderStatus::Shipped).await;
    shipped.unwrap();
    // The report does not state when its units were counted, so it is not proven to include the shipment.
    push("SKU,Qty\nA,6\n").await.unwrap();
    let stock = client.api.stock("A").await.unwrap();
    let of_acme = &stock.vendors[0];
    assert_eq!(
        (of_acme.reported, of_acme.in_flight, of_acme.available),
        (6, 4, 2)
    );

    let refused = push("SKU,Qty\nA,-1\nB,x\n").await.unwrap_err();
    assert_eq!(refused.kind(), Some(&ProblemKind::ValidationFailed));
    assert_eq!(refused.problem().unwrap().errors.len(), 2);
    assert_eq!(client.quantity("A").await, 2);
    let sync = client.api.sync_vendor("acme").await.unwrap_err();
    assert_eq!(sync.kind(), Some(&ProblemKind::NotFound));
    standalone.audit().await;
}

#[tokio::test]
async fn key_of_a_vendor_pushes_and_does_nothing_else() {
    let keys = key("acme", "oa_acme", "roles = [\"vendor\"]\nvendor = \"acme\"")
        + &key("desk", "oa_desk", "roles = [\"operator\"]");
    let standalone = Standalone::start_with(&(VENDOR.to_owned() + &keys)).await;
    let with_key = |key: &str| {
        let builder = Client::builder(&standalone.url()).api_key(key);
        builder.build().unwrap()
    };
    let (acme, desk) = (with_key("oa_acme"), with_key("oa_desk"));
    let report = "SKU,Qty\nA,10\n";
    acme.push_report("acme", report).await.unwrap();
    assert_eq!(desk.stock("A").await.unwrap().level.quantity, 10);
    let forbidden = Some(&ProblemKind::Forbidden);
    assert_eq!(acme.stock("A").await.unwrap_err().kind(), forbidden);
    for (client, vendor_id) in [(&acme, "other"), (&desk, "acme")] {
        let error = client.push_report(vendor_id, report).await.unwrap_err();
        assert_eq!(error.kind(), forbidden);
    }
}
