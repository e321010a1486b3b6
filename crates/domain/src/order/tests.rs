//! Tests of the state machine, by example and by property.

use proptest::prelude::*;

use super::*;

fn vendor(name: &str) -> VendorId {
    VendorId::parse(name).unwrap()
}

fn part(vendor_id: &str, units: i64) -> Allocation {
    Allocation::new(vendor(vendor_id), Quantity::parse(units).unwrap())
}

fn order(state: OrderState) -> Order {
    Order {
        id: OrderId(1),
        product_id: ProductId::parse("p").unwrap(),
        quantity: Quantity::parse(3).unwrap(),
        state,
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
    }
}

#[test]
fn the_state_machine_allows_only_the_documented_transitions() {
    use OrderStatus::{Cancelled, Confirmed, Delivered, Pending, Rejected, Shipped};
    let unshipped = vec![part("v", 3)];
    let shipped_parts = vec![part("v", 3).into_shipped()];
    let states = [
        OrderState::Pending,
        OrderState::Confirmed(unshipped.clone()),
        OrderState::Rejected(RejectReason::InsufficientStock),
        OrderState::Cancelled,
        OrderState::Shipped(shipped_parts.clone()),
        OrderState::Delivered(shipped_parts),
    ];
    let legal = [
        (Pending, Cancelled),
        (Pending, Rejected),
        (Confirmed, Cancelled),
        (Confirmed, Shipped),
        (Shipped, Delivered),
    ];
    for state in states {
        let from = state.status();
        for &to in OrderStatus::ALL {
            let decided = order(state.clone()).transition(to);
            match decided {
                Ok(Transition::Unchanged) => assert_eq!(from, to),
                Ok(Transition::To(next)) => {
                    assert_eq!(next.status(), to);
                    assert!(legal.contains(&(from, to)), "{from} to {to}");
                }
                Ok(Transition::CancelAndRelease(units)) => {
                    assert_eq!((from, to), (Confirmed, Cancelled));
                    assert_eq!(units, unshipped);
                }
                Err(refused) => {
                    assert_eq!(refused, IllegalTransition::NoEdge { from, to });
                    assert!(from != to && !legal.contains(&(from, to)), "{from} to {to}");
                }
            }
        }
    }
}

#[test]
fn an_order_is_shipped_when_its_last_allocation_is() {
    let (v, w) = (part("v", 2), part("w", 1));
    let confirmed = order(OrderState::Confirmed(vec![v.clone(), w.clone()]));
    let partly = vec![v.clone().into_shipped(), w.clone()];
    let first = confirmed.ship_part(&vendor("v")).unwrap();
    assert_eq!(first, Transition::To(OrderState::Confirmed(partly.clone())));
    let partly = order(OrderState::Confirmed(partly));
    assert_eq!(
        partly.ship_part(&vendor("v")).unwrap(),
        Transition::Unchanged
    );
    let all = OrderState::Shipped(vec![v.into_shipped(), w.into_shipped()]);
    let last = Transition::To(all.clone());
    assert_eq!(partly.ship_part(&vendor("w")).unwrap(), last);
    assert_eq!(partly.transition(OrderStatus::Shipped).unwrap(), last);
    let shipped = order(all);
    assert_eq!(
        shipped.ship_part(&vendor("w")).unwrap(),
        Transition::Unchanged
    );
}

#[test]
fn a_partly_shipped_order_cannot_be_cancelled() {
    let partly = order(OrderState::Confirmed(vec![
        part("v", 2),
        part("w", 1).into_shipped(),
    ]));
    let refused = partly.transition(OrderStatus::Cancelled).unwrap_err();
    let vendor_id = vendor("w");
    assert_eq!(refused, IllegalTransition::PartlyShipped { vendor_id });
    assert!(refused.to_string().contains("vendor w"), "{refused}");
}

#[test]
fn only_a_vendor_with_an_allocation_can_ship_a_confirmed_order() {
    use OrderStatus::Shipped;
    let unshipped = vec![part("v", 3)];
    for state in [
        OrderState::Pending,
        OrderState::Rejected(RejectReason::Manual),
        OrderState::Cancelled,
        OrderState::Delivered(vec![part("v", 3).into_shipped()]),
    ] {
        let from = state.status();
        let refused = order(state).ship_part(&vendor("v")).unwrap_err();
        let illegal = IllegalTransition::NoEdge { from, to: Shipped };
        assert_eq!(refused, ShippingRefused::Illegal(illegal), "{from}");
    }
    for state in [
        OrderState::Confirmed(unshipped.clone()),
        OrderState::Shipped(unshipped),
    ] {
        let vendor_id = vendor("w");
        let refused = order(state).ship_part(&vendor_id).unwrap_err();
        assert_eq!(refused, ShippingRefused::NotSupplied { vendor_id });
    }
}

proptest! {
    /// For any order and repetition of shipments, a shipped allocation stays shipped, the units stay the same, and the order
    /// is SHIPPED exactly when every allocation is.
    #[test]
    fn allocations_are_shipped_one_by_one(
        units in prop::collection::vec(1_i64..9, 1..6),
        shipments in prop::collection::vec(prop::option::of(0_usize..7), 0..12),
    ) {
        let parts: Vec<Allocation> = (0..)
            .zip(&units)
            .map(|(number, &units)| part(&format!("v{number}"), units))
            .collect();
        let mut current = order(OrderState::Confirmed(parts.clone()));
        let mut expected = parts;
        for shipment in shipments {
            let decided = match shipment {
                Some(number) => current.ship_part(&vendor(&format!("v{number}"))),
                None => current
                    .transition(OrderStatus::Shipped)
                    .map_err(ShippingRefused::Illegal),
            };
            let before = expected.clone();
            match shipment {
                Some(number) if number >= expected.len() => {
                    prop_assert!(
                        matches!(decided, Err(ShippingRefused::NotSupplied { .. })),
                        "{decided:?}"
                    );
                    continue;
                }
                Some(number) => expected[number].shipped = true,
                None => expected.iter_mut().for_each(|part| part.shipped = true),
            }
            match decided.unwrap() {
                Transition::To(state) => {
                    prop_assert_ne!(&before, &expected);
                    current.state = state;
                }
                Transition::Unchanged => prop_assert_eq!(&before, &expected),
                other @ Transition::CancelAndRelease(_) => prop_assert!(false, "{other:?}"),
            }
            prop_assert_eq!(current.state.allocations(), &expected[..]);
            let all = expected.iter().all(|part| part.shipped);
            prop_assert_eq!(current.state.status() == OrderStatus::Shipped, all);
            let any = expected.iter().any(|part| part.shipped);
            prop_assert_eq!(current.transition(OrderStatus::Cancelled).is_err(), any);
        }
    }
}

#[test]
fn statuses_parse_from_their_own_strings_only() {
    for &status in OrderStatus::ALL {
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    assert!("confirmed".parse::<OrderStatus>().is_err());
}
