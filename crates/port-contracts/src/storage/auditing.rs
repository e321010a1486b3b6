//! The audit finds balances that are wrong, and names their rows.

use domain::order::{Allocation, OrderState, OrderStatus};
use domain::ports::{AuditFinding, audit_rules};
use domain::settlement::Outcome;
use domain::stock::StockChange;

use super::damage::Damage;
use super::{StorageUnderTest, at_once};
use crate::builders::{allocation, full, new_order, product, vendor};
use crate::shop::Shop;

async fn findings(storage: &StorageUnderTest) -> Vec<AuditFinding> {
    storage.audit.audit().await.unwrap()
}

/// Sold, shipped and delivered, rejected, cancelled and pending orders, and a report after that.
async fn lively(storage: &StorageUnderTest) -> Shop {
    let shop = Shop::open(storage, &["v", "w"]).await;
    shop.report("v", full(&[("p", 10), ("q", 1)])).await;
    shop.report("w", full(&[("p", 10)])).await;
    let delivered = shop.sell(storage, "p", 12).await.id;
    shop.change(delivered, OrderStatus::Shipped).await.unwrap();
    shop.change(delivered, OrderStatus::Delivered)
        .await
        .unwrap();
    let cancelled = shop.sell(storage, "p", 3).await.id;
    shop.change(cancelled, OrderStatus::Cancelled)
        .await
        .unwrap();
    shop.sell(storage, "q", 2).await;
    let shipped = shop.sell(storage, "p", 2).await.id;
    shop.report("w", full(&[("p", 9)])).await;
    shop.change(shipped, OrderStatus::Shipped).await.unwrap();
    shop.sell(storage, "p", 1).await;
    storage.place(new_order("p", 1)).await;
    shop
}

/// Nothing is wrong with an empty store, nor with one in use.
pub async fn the_audit_of_a_sound_store_is_empty(storage: &StorageUnderTest) {
    assert_eq!(findings(storage).await, []);
    lively(storage).await;
    assert_eq!(findings(storage).await, []);
}

/// A quantity that is not the sum of what the vendors have is found.
pub async fn a_wrong_quantity_is_found(storage: &StorageUnderTest) {
    lively(storage).await;
    let mut work = storage.begin().await;
    let stock = work.lock_stock(&[product("p")]).await.unwrap().remove(0);
    let change = StockChange {
        quantity: stock.quantity() + 1,
        product_id: stock.product_id,
        vendors: Vec::new(),
    };
    work.save_stock(&[change]).await.unwrap();
    work.commit().await.unwrap();
    let found = findings(storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].row.contains('p'), "{found:?}");
}

/// Units in flight that no allocation accounts for are found.
pub async fn units_in_flight_without_an_order_are_found(storage: &StorageUnderTest) {
    lively(storage).await;
    let mut work = storage.begin().await;
    let mut stock = work.lock_stock(&[product("p")]).await.unwrap().remove(0);
    stock.vendors.retain(|it| it.vendor_id == vendor("w"));
    stock.vendors[0].in_flight += 1;
    let change = StockChange {
        // So that this sum, at least, is right.
        quantity: storage.sellable("p").await - 1,
        product_id: stock.product_id,
        vendors: stock.vendors,
    };
    work.save_stock(&[change]).await.unwrap();
    work.commit().await.unwrap();
    let found = findings(storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].row.contains('w'), "{found:?}");
}

/// An order whose allocations do not add up is found.
pub async fn an_order_with_too_few_allocations_is_found(storage: &StorageUnderTest) {
    storage.stock_up("p", &[("v", 5)]).await;
    let id = storage.place(new_order("p", 3)).await.id;
    let units = vec![allocation("v", 2)];
    storage.decide(id, Outcome::Confirmed(units)).await;
    let found = findings(storage).await;
    let named = found.iter().any(|it| it.row.contains(&id.to_string()));
    assert!(named, "{found:?}");
}

/// A sale that is written back without its stock is found.
pub async fn a_cancellation_that_keeps_its_stock_is_found(storage: &StorageUnderTest) {
    let shop = lively(storage).await;
    let id = shop.sell(storage, "p", 1).await.id;
    storage.assert_sound().await;
    let mut work = storage.begin().await;
    work.lock_order(id).await.unwrap();
    work.save_state(id, &OrderState::Cancelled).await.unwrap();
    work.commit().await.unwrap();
    assert_ne!(findings(storage).await, []);
}

/// A delivery of units that never left is found.
pub async fn a_delivery_that_was_never_shipped_is_found(storage: &StorageUnderTest) {
    let shop = lively(storage).await;
    let order = shop.sell(storage, "p", 1).await;
    let units = order.state.allocations().to_vec();
    let mut work = storage.begin().await;
    work.lock_order(order.id).await.unwrap();
    work.save_state(order.id, &OrderState::Delivered(units))
        .await
        .unwrap();
    work.commit().await.unwrap();
    let found = findings(storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].row.contains(&order.id.to_string()), "{found:?}");
}

/// An order that stays CONFIRMED although each of its parts was shipped is found, and an order of which only a part was
/// shipped is sound.
pub async fn a_confirmed_order_with_every_part_shipped_is_found(storage: &StorageUnderTest) {
    let shop = lively(storage).await;
    let order = shop.sell(storage, "p", 1).await;
    let shipped = order.state.allocations().iter().cloned();
    let shipped = shipped.map(Allocation::into_shipped).collect();
    let mut work = storage.begin().await;
    work.lock_order(order.id).await.unwrap();
    work.save_state(order.id, &OrderState::Confirmed(shipped))
        .await
        .unwrap();
    work.commit().await.unwrap();
    let found = findings(storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].rule, audit_rules::SHIPPED);
    assert!(found[0].row.contains(&order.id.to_string()), "{found:?}");
}

/// Does the damage to a sound store and returns what is found of the rule; nothing if the store cannot hold such damage.
async fn found_after(
    storage: &StorageUnderTest,
    damage: Damage,
    rule: &str,
) -> Option<Vec<AuditFinding>> {
    storage.assert_sound().await;
    if !(storage.damage)(damage).await {
        return None;
    }
    let found = findings(storage).await;
    let of_rule: Vec<AuditFinding> = found.iter().filter(|it| it.rule == rule).cloned().collect();
    assert!(!of_rule.is_empty(), "{rule}: {found:?}");
    Some(of_rule)
}

/// Of a sold order that is gone, the allocation is found.
pub async fn an_allocation_without_its_order_is_found(storage: &StorageUnderTest) {
    let shop = lively(storage).await;
    let id = shop.sell(storage, "p", 1).await.id;
    let damage = Damage::OrderLost(id);
    let found = found_after(storage, damage, audit_rules::ALLOCATION_ORDER).await;
    assert!(found.unwrap()[0].row.contains(&id.to_string()));
}

/// Of a position that is gone, the allocations are found.
pub async fn an_allocation_without_its_position_is_found(storage: &StorageUnderTest) {
    lively(storage).await;
    assert!(storage.position("p", "v").await.in_flight > 0);
    let damage = Damage::PositionLost("p");
    let found = found_after(storage, damage, audit_rules::ALLOCATION_POSITION).await;
    assert!(found.unwrap().iter().all(|it| it.row.ends_with("at v")));
}

/// A shipment that is included in a report later than any that was applied is found, though the balances agree.
pub async fn a_shipment_that_no_report_can_include_yet_is_found(storage: &StorageUnderTest) {
    let shop = lively(storage).await;
    let id = shop.sell(storage, "p", 1).await.id;
    shop.change(id, OrderStatus::Shipped).await.unwrap();
    let damage = Damage::IncludedTooEarly(id);
    let found = found_after(storage, damage, audit_rules::INCLUDED).await;
    assert!(found.unwrap()[0].row.contains(&id.to_string()));
    assert_eq!(findings(storage).await.len(), 1);
}

/// A shipment that has not happened yet is found.
pub async fn a_shipment_in_the_future_is_found(storage: &StorageUnderTest) {
    let shop = lively(storage).await;
    let id = shop.sell(storage, "p", 1).await.id;
    shop.change(id, OrderStatus::Shipped).await.unwrap();
    let damage = Damage::ShippedTomorrow(id);
    let found = found_after(storage, damage, audit_rules::SHIPPED_LATER).await;
    assert!(found.unwrap()[0].row.contains(&id.to_string()));
    assert_eq!(findings(storage).await.len(), 1);
}

/// An order that nothing will settle is found.
pub async fn a_forgotten_order_is_found(storage: &StorageUnderTest) {
    lively(storage).await;
    let id = storage.place(new_order("p", 1)).await.id;
    let damage = Damage::Forgotten(id);
    let found = found_after(storage, damage, audit_rules::PENDING).await;
    assert_eq!(found.unwrap()[0].row, id.to_string());
    assert_eq!(findings(storage).await.len(), 1);
}

/// A sequence that will give numbers that are taken is found.
pub async fn a_sequence_behind_its_numbers_is_found(storage: &StorageUnderTest) {
    lively(storage).await;
    let damage = Damage::SequenceReset;
    found_after(storage, damage, audit_rules::SEQUENCE).await;
}

/// However many rows break a rule, no more than a thousand are named.
pub async fn an_audit_names_at_most_a_thousand_rows_of_a_rule(storage: &StorageUnderTest) {
    let names: Vec<String> = (0..1_100).map(|number| format!("p{number}")).collect();
    let lines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let shop = Shop::open(storage, &["v"]).await;
    shop.report("v", full(&lines)).await;
    let wrong: Vec<StockChange> = names
        .iter()
        .map(|name| StockChange {
            product_id: product(name),
            quantity: 7,
            vendors: Vec::new(),
        })
        .collect();
    let mut work = storage.begin().await;
    work.save_stock(&wrong).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(findings(storage).await.len(), 1_000);
}

/// An audit reads what is committed, beside a unit of work that holds rows and has changed them.
pub async fn an_audit_waits_for_nobody(storage: &StorageUnderTest) {
    let shop = lively(storage).await;
    let id = shop.sell(storage, "p", 1).await.id;
    let mut work = storage.begin().await;
    work.lock_order(id).await.unwrap();
    work.lock_stock(&[product("p"), product("q")])
        .await
        .unwrap();
    // Without its stock: a contradiction, once it is committed.
    work.save_state(id, &OrderState::Cancelled).await.unwrap();
    assert_eq!(at_once(findings(storage)).await, []);
    drop(work);
    storage.assert_sound().await;
}
