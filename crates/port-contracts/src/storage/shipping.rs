//! Each vendor's part of an order is shipped separately.

use std::time::Duration;

use domain::order::{Order, OrderState, OrderStatus};
use domain::services::ChangeStatusError;

use super::{SHORT_DELAY, StorageUnderTest};
use crate::builders::{allocation, full, full_as_of, vendor};
use crate::use_cases::UseCases;

/// Sells an order of 3 units, of which v supplies 2 and w 1.
async fn split(storage: &StorageUnderTest) -> (UseCases, Order) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 2)])).await;
    use_cases.report("w", full(&[("p", 1)])).await;
    let order = use_cases.sell(storage, "p", 3).await;
    let expected = vec![allocation("v", 2), allocation("w", 1)];
    assert_eq!(order.state, OrderState::Confirmed(expected));
    (use_cases, order)
}

/// The order is updated with each part that is shipped and stays `CONFIRMED` before the last one. A repetition changes
/// neither the order nor the time of the shipment.
pub async fn the_first_shipment_of_a_part_sets_its_time(storage: &StorageUnderTest) {
    let (use_cases, order) = split(storage).await;
    let first = use_cases.ship_part(order.id, "v").await.unwrap();
    assert!(first.changed);
    let (v, w) = (allocation("v", 2).into_shipped(), allocation("w", 1));
    let partly = OrderState::Confirmed(vec![v.clone(), w.clone()]);
    assert_eq!(first.order.state, partly);
    assert!(first.order.updated_at > order.updated_at);
    assert_eq!(storage.order(order.id).await, first.order);
    storage.assert_sound().await;
    // A report is requested now and the shipment is repeated, which must not count as a later shipment.
    let between = storage.probe.store_time().await.unwrap();
    let again = use_cases.ship_part(order.id, "v").await.unwrap();
    assert_eq!((again.changed, &again.order), (false, &first.order));

    let last = use_cases
        .change(order.id, OrderStatus::Shipped)
        .await
        .unwrap();
    let all = OrderState::Shipped(vec![v, w.into_shipped()]);
    assert_eq!(last.order.state, all);
    assert!(last.order.updated_at > first.order.updated_at);
    use_cases
        .report("v", full_as_of(between, &[("p", 0)]))
        .await;
    use_cases
        .report("w", full_as_of(between, &[("p", 1)]))
        .await;
    assert_eq!(storage.numbers("p", "v").await, (0, 0, 0));
    assert_eq!(storage.numbers("p", "w").await, (1, 1, 0));
    let after = use_cases.ship_part(order.id, "w").await.unwrap();
    assert_eq!((after.changed, &after.order), (false, &last.order));
    storage.assert_sound().await;
}

/// A report of one vendor includes the units that this vendor has shipped, and none of another vendor.
pub async fn a_part_stays_in_flight_until_a_report_after_its_shipment(storage: &StorageUnderTest) {
    let (use_cases, order) = split(storage).await;
    use_cases.ship_part(order.id, "v").await.unwrap();
    use_cases.report("v", full(&[("p", 0)])).await;
    use_cases.report("w", full(&[("p", 1)])).await;
    assert_eq!(storage.numbers("p", "v").await, (0, 0, 0));
    // w has not shipped its unit.
    assert_eq!(storage.numbers("p", "w").await, (1, 1, 0));
    assert_eq!(storage.sellable("p").await, 0);
    storage.assert_sound().await;

    use_cases.ship_part(order.id, "w").await.unwrap();
    let shipped = storage.order(order.id).await;
    assert_eq!(shipped.state.status(), OrderStatus::Shipped);
    use_cases.report("w", full(&[("p", 4)])).await;
    assert_eq!(storage.numbers("p", "w").await, (4, 0, 4));
    storage.assert_sound().await;
}

/// An order with shipped units cannot be cancelled. The error names the vendor, and nothing changes.
pub async fn a_partly_shipped_order_is_not_cancelled(storage: &StorageUnderTest) {
    let (use_cases, order) = split(storage).await;
    let partly = use_cases.ship_part(order.id, "w").await.unwrap().order;
    let refused = use_cases
        .change(order.id, OrderStatus::Cancelled)
        .await
        .unwrap_err();
    assert!(matches!(refused, ChangeStatusError::Illegal(_)));
    assert!(refused.to_string().contains("vendor w"), "{refused}");
    assert_eq!(storage.order(order.id).await, partly);
    assert_eq!(storage.numbers("p", "v").await, (2, 2, 0));
    storage.assert_sound().await;
}

/// A vendor that supplies none of an order cannot ship a part of it, and an order that is not confirmed has no part to ship.
pub async fn a_part_is_shipped_by_its_supplier_only(storage: &StorageUnderTest) {
    let use_cases = UseCases::open(storage, &["v", "w"]).await;
    use_cases.report("v", full(&[("p", 2)])).await;
    use_cases.report("w", full(&[("q", 1)])).await;
    let order = use_cases.sell(storage, "p", 2).await;
    match use_cases.ship_part(order.id, "w").await {
        Err(ChangeStatusError::NotSupplied(named)) => assert_eq!(named, vendor("w")),
        other => panic!("{other:?}"),
    }
    assert_eq!(storage.order(order.id).await, order);
    let rejected = use_cases.sell(storage, "p", 1).await;
    let refused = use_cases.ship_part(rejected.id, "v").await;
    assert!(matches!(refused, Err(ChangeStatusError::Illegal(_))));
    assert_eq!(storage.order(rejected.id).await, rejected);
    storage.assert_sound().await;
}

/// The units in flight are those of all vendors; the ages are those of the oldest confirmed order and of the oldest shipment
/// that no report includes.
pub async fn units_in_flight_are_summed_with_their_ages(storage: &StorageUnderTest) {
    let read = || async { storage.in_flight.in_flight().await.unwrap() };
    let none = read().await;
    assert_eq!(
        (none.units, none.oldest_confirmed, none.oldest_shipped),
        (0, None, None)
    );
    let (use_cases, order) = split(storage).await;
    tokio::time::sleep(SHORT_DELAY).await;
    let confirmed = read().await;
    assert_eq!((confirmed.units, confirmed.oldest_shipped), (3, None));
    assert!(confirmed.oldest_confirmed.unwrap() >= SHORT_DELAY);

    use_cases.ship_part(order.id, "v").await.unwrap();
    let partly = read().await;
    assert_eq!(partly.units, 3);
    assert!(partly.oldest_confirmed.unwrap() >= SHORT_DELAY);
    let age = partly.oldest_shipped.unwrap();
    assert!(age < partly.oldest_confirmed.unwrap() && age < Duration::from_mins(1));

    use_cases.report("v", full(&[("p", 0)])).await;
    let included = read().await;
    assert_eq!((included.units, included.oldest_shipped), (1, None));
    use_cases.ship_part(order.id, "w").await.unwrap();
    let shipped = read().await;
    assert_eq!((shipped.units, shipped.oldest_confirmed), (1, None));
    assert!(shipped.oldest_shipped.is_some());
}
