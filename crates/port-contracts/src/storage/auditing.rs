//! The audit finds wrong balances and names their rows.

use domain::order::{Allocation, OrderState};
use domain::ports::{AuditFinding, audit_rules};
use domain::settlement::Outcome;
use domain::stock::StockChange;

use super::damage::Damage;
use super::{StorageUnderTest, immediately};
use crate::builders::{allocation, full, new_order, product, vendor};
use crate::use_cases::UseCases;

async fn findings(storage: &StorageUnderTest) -> Vec<AuditFinding> {
    storage.audit.audit().await.unwrap()
}

/// Creates delivered, shipped, confirmed, cancelled, rejected and pending orders, and applies a report in between.
async fn store_in_use(storage: &StorageUnderTest) -> UseCases {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 10), ("q", 1)])).await;
    use_cases.report("w", full(&[("p", 10)])).await;
    let delivered = use_cases.sell_and_ship(storage, "p", 12).await.id;
    use_cases.deliver(delivered).await;
    let cancelled = use_cases.sell(storage, "p", 3).await.id;
    use_cases.cancel(cancelled).await;
    use_cases.sell(storage, "q", 2).await;
    let shipped = use_cases.sell(storage, "p", 2).await.id;
    use_cases.report("w", full(&[("p", 9)])).await;
    use_cases.ship(shipped).await;
    use_cases.sell(storage, "p", 1).await;
    storage.place(new_order("p", 1)).await;
    use_cases
}

/// The audit finds nothing in an empty store, nor in one in use.
pub async fn audit_of_a_sound_store_finds_nothing(storage: &StorageUnderTest) {
    assert_eq!(findings(storage).await, []);
    store_in_use(storage).await;
    assert_eq!(findings(storage).await, []);
}

/// A quantity that is not the sum over the vendors is found.
pub async fn audit_finds_a_wrong_quantity(storage: &StorageUnderTest) {
    store_in_use(storage).await;
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

/// Units in flight without an allocation are found.
pub async fn audit_finds_units_in_flight_without_an_order(storage: &StorageUnderTest) {
    store_in_use(storage).await;
    let mut work = storage.begin().await;
    let mut stock = work.lock_stock(&[product("p")]).await.unwrap().remove(0);
    stock.vendors.retain(|it| it.vendor_id == vendor("w"));
    stock.vendors[0].in_flight += 1;
    let change = StockChange {
        // So that the quantity is still the sum over the vendors.
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

/// An order whose allocations do not add up to its quantity is found.
pub async fn audit_finds_an_order_with_too_few_allocations(storage: &StorageUnderTest) {
    storage.stock_up("p", &[("v", 5)]).await;
    let id = storage.place(new_order("p", 3)).await.id;
    let units = vec![allocation("v", 2)];
    storage.decide(id, Outcome::Confirmed(units)).await;
    let found = findings(storage).await;
    let named = found.iter().any(|it| it.row.contains(&id.to_string()));
    assert!(named, "{found:?}");
}

/// A cancelled order whose stock was not released is found.
pub async fn audit_finds_a_cancellation_that_keeps_its_stock(storage: &StorageUnderTest) {
    let use_cases = store_in_use(storage).await;
    let id = use_cases.sell(storage, "p", 1).await.id;
    storage.assert_sound().await;
    storage.write_state(id, &OrderState::Cancelled).await;
    assert_ne!(findings(storage).await, []);
}

/// A delivered order whose units were never shipped is found.
pub async fn audit_finds_a_delivery_without_a_shipment(storage: &StorageUnderTest) {
    let use_cases = store_in_use(storage).await;
    let order = use_cases.sell(storage, "p", 1).await;
    let units = order.state.allocations().to_vec();
    storage
        .write_state(order.id, &OrderState::Delivered(units))
        .await;
    let found = findings(storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].row.contains(&order.id.to_string()), "{found:?}");
}

/// An order that stays `CONFIRMED` although each of its parts was shipped is found. An order with only some parts shipped is
/// sound.
pub async fn audit_finds_a_confirmed_order_with_every_part_shipped(storage: &StorageUnderTest) {
    let use_cases = store_in_use(storage).await;
    let order = use_cases.sell(storage, "p", 1).await;
    let shipped = order.state.allocations().iter().cloned();
    let shipped = shipped.map(Allocation::into_shipped).collect();
    storage
        .write_state(order.id, &OrderState::Confirmed(shipped))
        .await;
    let found = findings(storage).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].rule, audit_rules::SHIPPED);
    assert!(found[0].row.contains(&order.id.to_string()), "{found:?}");
}

/// Damages a sound store and returns the findings of `rule`, or `None` if the store cannot hold such damage.
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

/// The allocation of an order whose row is missing is found.
pub async fn audit_finds_an_allocation_without_its_order(storage: &StorageUnderTest) {
    let use_cases = store_in_use(storage).await;
    let id = use_cases.sell(storage, "p", 1).await.id;
    let damage = Damage::OrderLost(id);
    let found = found_after(storage, damage, audit_rules::ALLOCATION_ORDER).await;
    assert!(found.unwrap()[0].row.contains(&id.to_string()));
}

/// The allocations of a vendor stock row that is missing are found.
pub async fn audit_finds_an_allocation_without_its_vendor_stock(storage: &StorageUnderTest) {
    store_in_use(storage).await;
    assert!(storage.vendor_level("p", "v").await.in_flight > 0);
    let damage = Damage::VendorStockLost("p");
    let found = found_after(storage, damage, audit_rules::ALLOCATION_VENDOR_STOCK).await;
    assert!(found.unwrap().iter().all(|it| it.row.ends_with("at v")));
}

/// A shipment that is included in a report later than any applied one is found, although the balances agree.
pub async fn audit_finds_a_shipment_that_is_included_too_early(storage: &StorageUnderTest) {
    let use_cases = store_in_use(storage).await;
    let id = use_cases.sell_and_ship(storage, "p", 1).await.id;
    let damage = Damage::IncludedTooEarly(id);
    let found = found_after(storage, damage, audit_rules::INCLUDED).await;
    assert!(found.unwrap()[0].row.contains(&id.to_string()));
    assert_eq!(findings(storage).await.len(), 1);
}

/// A shipment in the future is found.
pub async fn audit_finds_a_shipment_in_the_future(storage: &StorageUnderTest) {
    let use_cases = store_in_use(storage).await;
    let id = use_cases.sell_and_ship(storage, "p", 1).await.id;
    let damage = Damage::ShippedTomorrow(id);
    let found = found_after(storage, damage, audit_rules::SHIPPED_LATER).await;
    assert!(found.unwrap()[0].row.contains(&id.to_string()));
    assert_eq!(findings(storage).await.len(), 1);
}

/// A pending order that nothing will settle is found.
pub async fn audit_finds_a_stuck_order(storage: &StorageUnderTest) {
    store_in_use(storage).await;
    let id = storage.place(new_order("p", 1)).await.id;
    let damage = Damage::Forgotten(id);
    let found = found_after(storage, damage, audit_rules::PENDING).await;
    assert_eq!(found.unwrap()[0].row, id.to_string());
    assert_eq!(findings(storage).await.len(), 1);
}

/// A sequence whose next number is already in use is found.
pub async fn audit_finds_a_sequence_behind_its_numbers(storage: &StorageUnderTest) {
    store_in_use(storage).await;
    let damage = Damage::SequenceReset;
    found_after(storage, damage, audit_rules::SEQUENCE).await;
}

/// At most a thousand rows are named per rule.
pub async fn audit_names_at_most_a_thousand_rows_per_rule(storage: &StorageUnderTest) {
    let names: Vec<String> = (0..1_100).map(|number| format!("p{number}")).collect();
    let lines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let use_cases = UseCases::open(storage, &["v"]).await;
    use_cases.report("v", full(&lines)).await;
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

/// The audit reads committed data, and does not wait for a unit of work that has locked and changed rows.
pub async fn audit_does_not_wait_for_locks(storage: &StorageUnderTest) {
    let use_cases = store_in_use(storage).await;
    let id = use_cases.sell(storage, "p", 1).await.id;
    let mut work = storage.begin().await;
    work.lock_order(id).await.unwrap();
    work.lock_stock(&[product("p"), product("q")])
        .await
        .unwrap();
    // Without releasing the stock, which would be a finding after the commit.
    work.save_state(id, &OrderState::Cancelled).await.unwrap();
    assert_eq!(immediately(findings(storage)).await, []);
    drop(work);
    storage.assert_sound().await;
}
