//! The steps of a sequence: what happens in the warehouse, on the way of its counts, and in this service.

use domain::guard::{Guard, Share};
use proptest::prelude::*;

use super::SECOND;
use super::vendor::PRODUCTS;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Sells units of a product.
    Sell(usize, u32),
    Ship,
    /// Adds units of a product to the warehouse.
    Restock(usize, u32),
    Advance(i64),
    /// The vendor writes its file or document.
    Write,
    /// The vendor writes its file or document, and states a time that is far in the future.
    WriteAhead,
    Sync,
    /// A sync whose process ends after this number of transactions.
    InterruptedSync(usize),
    /// A sync whose response takes this long, while other syncs run after these pauses.
    SlowSync(i64, Vec<i64>),
    /// Receives an earlier response again.
    Repeat(usize),
    /// An operator accepts the report in quarantine, or discards it. The process ends after this number of transactions.
    Resolve(bool, usize),
}

/// No guard, or one with any shares.
pub(super) fn guard() -> impl Strategy<Value = Guard> {
    let share = || prop::option::of((0.0..=1.0).prop_map(|share| Share::parse(share).unwrap()));
    let guard = (share(), share()).prop_map(|(max_drop, max_flips)| Guard {
        max_drop,
        max_flips,
        min_rows: 0,
    });
    prop_oneof![Just(Guard::default()), guard]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = || prop_oneof![0..SECOND, 0..40 * SECOND];
    let product = || 0..PRODUCTS.len();
    let step = prop_oneof![
        4 => (product(), 1_u32..8).prop_map(|(product, units)| Step::Sell(product, units)),
        4 => Just(Step::Ship),
        1 => (product(), 1_u32..5).prop_map(|(product, units)| Step::Restock(product, units)),
        4 => pause().prop_map(Step::Advance),
        2 => Just(Step::Write),
        1 => Just(Step::WriteAhead),
        5 => Just(Step::Sync),
        3 => (0_usize..4).prop_map(Step::InterruptedSync),
        2 => (pause(), prop::collection::vec(pause(), 0..3))
            .prop_map(|(delay, pauses)| Step::SlowSync(delay, pauses)),
        2 => (0_usize..6).prop_map(Step::Repeat),
        2 => (any::<bool>(), 0_usize..9).prop_map(|(accepted, calls)| Step::Resolve(accepted, calls)),
    ];
    prop::collection::vec(step, 1..50)
}
