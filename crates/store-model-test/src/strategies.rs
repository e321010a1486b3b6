//! Probabilities of the operations. Products, vendors and quantities are few and small, so that shortages, repeats and
//! second cancellations are frequent.

use std::collections::BTreeMap;

use domain::order::OrderStatus;
use domain::ports::OtherVendors;
use domain::report::ReportKind;
use domain::services::QuarantineDecision;
use proptest::collection::{btree_map, vec};
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::operations::{
    Configuring, Confirms, DIGESTS, InstantName, KEYS, Operation, OrderSpec, PRODUCTS, Product,
    Query, ReportSpec, Shift, Slot, Span, Step, UseCase, VENDORS, Vendor,
};
use crate::sequences::Named;

/// Number of most recent orders, which are referred to most often.
const RECENT: usize = 6;

pub(super) fn operation(named: &Named) -> BoxedStrategy<Operation> {
    let start = if named.configured.is_empty() { 40 } else { 2 };
    prop_oneof![
        2 => Just(Operation::RecordTime(named.next_instant)),
        start => one_use_case(configuring().boxed()),
        24 => one_use_case(use_case(named)),
        12 => work(named),
        6 => query(named).prop_map(Operation::Read),
        1 => lease_name().prop_map(Operation::AcquireLease),
        1 => lease_name().prop_map(Operation::ReleaseLease),
    ]
    .boxed()
}

fn lease_name() -> impl Strategy<Value = &'static str> {
    select(&["sync", "sweep"][..])
}

fn one_use_case(use_case: BoxedStrategy<UseCase>) -> impl Strategy<Value = Operation> {
    (use_case, weighted(0.15, 0_u32..7))
        .prop_map(|(use_case, calls)| Operation::Use(use_case, calls))
}

fn use_case(named: &Named) -> BoxedStrategy<UseCase> {
    let slot = named.next_slot;
    let place = order_spec().prop_map(move |order_spec| UseCase::Place(slot, order_spec));
    let sync = (vendor(), weighted(0.9, report_spec(named)))
        .prop_map(|(vendor, report_spec)| UseCase::Sync(vendor, report_spec));
    let decision = select(&[QuarantineDecision::Accept, QuarantineDecision::Discard][..]);
    let resolve = (vendor(), decision)
        .prop_map(|(vendor, decision)| UseCase::ResolveQuarantine(vendor, decision));
    let expire =
        (vendor(), any::<bool>()).prop_map(|(vendor, expired)| UseCase::Expire(vendor, expired));
    let settle =
        (slots_to_settle(named), span()).prop_map(|(slots, grace)| UseCase::Settle(slots, grace));
    let relay =
        (0_u32..5, span(), confirms()).prop_map(|(batch, lease, confirms)| UseCase::Relay {
            batch,
            lease,
            confirms,
        });
    let sweep =
        (span(), 0_u32..4, span()).prop_map(|(pending_for, room, key_retention)| UseCase::Sweep {
            pending_for,
            room,
            key_retention,
        });
    let Some(one) = one_slot(named) else {
        return prop_oneof![4 => place, 4 => sync, 1 => resolve, 1 => expire, 1 => relay, 1 => sweep].boxed();
    };
    let change = (one.clone(), status()).prop_map(|(slot, to)| UseCase::Change(slot, to));
    let ship = (one, vendor()).prop_map(|(slot, vendor)| UseCase::ShipPart(slot, vendor));
    prop_oneof![
        6 => place, 4 => sync, 1 => resolve, 1 => expire, 6 => settle, 6 => change, 3 => ship, 2 => relay, 1 => sweep,
    ]
    .boxed()
}

fn work(named: &Named) -> impl Strategy<Value = Operation> + use<> {
    (vec(step(named), 0..5), weighted(0.7, Just(()))).prop_map(|(steps, commit)| Operation::Work {
        steps: with_consecutive_slots(steps),
        commit: commit.is_some(),
    })
}

/// Assigns slots to steps, which are generated independently: each step that accepts orders takes the slots after the
/// previous one.
fn with_consecutive_slots(mut steps: Vec<Step>) -> Vec<Step> {
    let mut next = None;
    for step in &mut steps {
        if let Step::Accept(first, orders) = step {
            *first = next.unwrap_or(*first);
            next = Some(*first + Slot::try_from(orders.len()).unwrap());
        }
    }
    steps
}

fn step(named: &Named) -> BoxedStrategy<Step> {
    let first = named.next_slot;
    let always = prop_oneof![
        3 => vec(order_spec(), 0..5).prop_map(move |orders| Step::Accept(first, orders)),
        1 => vec(product(), 0..4).prop_map(Step::LockStock),
        1 => (configure(), others()).prop_map(|(wanted, others)| Step::Configure(wanted, others)),
        1 => Just(Step::FirstSyncs),
        1 => vendor().prop_map(Step::LockVendor),
        1 => vec(product(), 0..4).prop_map(Step::Create),
        1 => (vendor(), vec(product(), 0..4))
            .prop_map(|(vendor, products)| Step::Reported(vendor, products)),
        1 => vendor().prop_map(Step::RecordFailure),
        1 => vendor().prop_map(Step::RepairShipments),
        1 => vendor().prop_map(Step::EndFirstSync),
        3 => (0_u32..5, span()).prop_map(|(limit, lease)| Step::Claim(limit, lease)),
        1 => (span(), 0_u32..4).prop_map(|(pending_for, limit)| Step::Requeue(pending_for, limit)),
        1 => Just(Step::StoreTime),
        2 => query(named).prop_map(Step::Read),
    ]
    .boxed();
    let with_instants = one_instant(named).map(steps_at);
    let with_slots = one_slot(named).map(|slot| steps_on(slot, named));
    match (with_instants, with_slots) {
        (None, None) => always,
        (Some(other), None) | (None, Some(other)) => prop_oneof![always, other].boxed(),
        (Some(instants), Some(slots)) => {
            prop_oneof![3 => always, 2 => instants, 4 => slots].boxed()
        }
    }
}

fn steps_at(instant: BoxedStrategy<InstantName>) -> BoxedStrategy<Step> {
    let adjust = (product(), vendor(), 0_u32..7, instant.clone()).prop_map(
        |(product, vendor, reported, as_of)| Step::Adjust {
            product,
            vendor,
            reported,
            as_of,
        },
    );
    prop_oneof![
        adjust,
        (vendor(), vec(product(), 0..3), instant.clone())
            .prop_map(|(vendor, products, as_of)| Step::Advance(vendor, products, as_of)),
        (instant, shift(), select(&[1_u32, 2, 100][..]))
            .prop_map(|(before, shift, limit)| Step::PruneKeys(before, shift, limit)),
    ]
    .boxed()
}

fn steps_on(slot: BoxedStrategy<Slot>, named: &Named) -> BoxedStrategy<Step> {
    prop_oneof![
        2 => slots(named).prop_map(Step::LockPending),
        2 => slot.clone().prop_map(Step::LockOrder),
        3 => slots(named).prop_map(Step::Settle),
        1 => slot.clone().prop_map(Step::Reject),
        2 => (slot.clone(), vendor()).prop_map(|(slot, vendor)| Step::ShipPart(slot, vendor)),
        4 => (slot, status()).prop_map(|(slot, to)| Step::Change(slot, to)),
        2 => slots(named).prop_map(Step::Remove),
        1 => slots(named).prop_map(Step::Release),
    ]
    .boxed()
}

fn query(named: &Named) -> BoxedStrategy<Query> {
    let before = one_slot(named).map_or_else(|| Just(None).boxed(), |slot| of(slot).boxed());
    let orders = (of(status()), of(product()), before, 0_u32..5).prop_map(
        |(status, product, before, limit)| Query::Orders {
            status,
            product,
            before,
            limit,
        },
    );
    let stock_list =
        (of(product()), any::<bool>(), 0_u32..5).prop_map(|(after, in_stock, limit)| {
            Query::StockList {
                after,
                in_stock,
                limit,
            }
        });
    let always = prop_oneof![
        4 => orders,
        2 => stock_list,
        2 => product().prop_map(Query::Stock),
        1 => Just(Query::OutboxLag),
        1 => configure().prop_map(Query::WereTried),
    ];
    match one_slot(named) {
        None => always.boxed(),
        Some(slot) => prop_oneof![4 => always, 1 => slot.prop_map(Query::Order)].boxed(),
    }
}

/// Selects the first product more often, so that orders share stock.
fn product() -> impl Strategy<Value = Product> {
    prop_oneof![3 => Just(0), 4 => 0..PRODUCTS.len()]
}

fn vendor() -> impl Strategy<Value = Vendor> {
    prop_oneof![2 => Just(0), 3 => 0..VENDORS.len()]
}

fn configure() -> impl Strategy<Value = Vec<Vendor>> {
    let all: Vec<Vendor> = (0..VENDORS.len()).collect();
    prop_oneof![
        2 => Just(all.clone()),
        1 => subsequence(all, 0..=VENDORS.len()).prop_shuffle(),
    ]
}

fn configuring() -> impl Strategy<Value = UseCase> {
    let how = prop_oneof![
        3 => Just(Configuring::ApplyIfNew),
        2 => Just(Configuring::Apply),
        1 => Just(Configuring::Add),
    ];
    (configure(), how).prop_map(|(wanted, how)| UseCase::Configure(wanted, how))
}

fn others() -> impl Strategy<Value = OtherVendors> {
    select(&[OtherVendors::Keep, OtherVendors::SwitchOff][..])
}

fn status() -> impl Strategy<Value = OrderStatus> {
    prop_oneof![
        5 => Just(OrderStatus::Cancelled),
        4 => Just(OrderStatus::Shipped),
        2 => select(OrderStatus::ALL),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    select(&[Span::None, Span::VeryLong][..])
}

fn shift() -> impl Strategy<Value = Shift> {
    prop_oneof![
        1 => Just(Shift::LongBefore),
        3 => Just(Shift::At),
        1 => Just(Shift::LongAfter),
    ]
}

fn confirms() -> impl Strategy<Value = Confirms> {
    prop_oneof![
        3 => Just(Confirms::All),
        1 => Just(Confirms::EverySecond),
        1 => Just(Confirms::Fails),
    ]
}

fn order_spec() -> impl Strategy<Value = OrderSpec> {
    let key = weighted(0.4, 0..KEYS.len());
    let batch = weighted(0.4, 0..DIGESTS.len());
    (product(), 1_u32..4, key, batch).prop_map(|(product, units, key, batch)| OrderSpec {
        product,
        units,
        key,
        batch,
    })
}

fn lines() -> impl Strategy<Value = BTreeMap<Product, u32>> {
    // Includes the empty report, which is quarantined.
    btree_map(product(), 0_u32..12, 0..=PRODUCTS.len())
}

fn report_spec(named: &Named) -> impl Strategy<Value = ReportSpec> + use<> {
    let as_of = one_instant(named).map_or_else(
        || Just(None).boxed(),
        |instant| weighted(0.4, (instant, shift())).boxed(),
    );
    let kind = select(&[ReportKind::Full, ReportKind::Delta][..]);
    (kind, as_of, lines()).prop_map(|(kind, as_of, lines)| ReportSpec { kind, as_of, lines })
}

fn one_slot(named: &Named) -> Option<BoxedStrategy<Slot>> {
    let all: Vec<Slot> = named.slots.iter().copied().collect();
    let recent = all[all.len().saturating_sub(RECENT)..].to_vec();
    (!all.is_empty()).then(|| prop_oneof![2 => select(recent), 1 => select(all)].boxed())
}

fn one_instant(named: &Named) -> Option<BoxedStrategy<InstantName>> {
    let all: Vec<InstantName> = named.instants.iter().copied().collect();
    (!all.is_empty()).then(|| select(all).boxed())
}

/// Selects mostly the recent orders, which may be pending, so that orders get confirmed.
fn slots_to_settle(named: &Named) -> BoxedStrategy<Vec<Slot>> {
    let recent: Vec<Slot> = named.slots.iter().rev().take(RECENT).copied().collect();
    prop_oneof![2 => Just(recent), 1 => slots(named)].boxed()
}

fn slots(named: &Named) -> BoxedStrategy<Vec<Slot>> {
    match one_slot(named) {
        None => Just(Vec::new()).boxed(),
        Some(slot) => vec(slot, 0..7).boxed(),
    }
}
