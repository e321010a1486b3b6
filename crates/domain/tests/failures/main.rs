//! Every use case, with every call that it makes to a port failing in every way that the call can fail.
//!
//! A run in which nothing fails is the measure. Then the first call fails, then the second, and so on until a run no
//! longer gets to the call: once, or it and all after it. After each failure the answer is the right one, what was
//! committed is all or nothing, every balance is right, no lock is held and no order is lost; and doing it again leads to
//! where the undisturbed run leads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod builders;
mod faults;
mod faulty_edges;
mod faulty_pauses;
mod faulty_reads;
mod faulty_store;
mod told;
mod use_cases;
mod world;

use faults::{Call, Failure, Injection, Role, Trace};
use told::{Told, expected};
use use_cases::UseCase;
use world::{Snapshot, World};

/// How often a use case is tried that meets a conflict each time.
const TRIES: usize = 9;

/// A run in which nothing fails.
struct Measure {
    calls: Vec<Call>,
    told: Told,
    before: Snapshot,
    after: Snapshot,
    at_rest: Snapshot,
}

async fn measure(use_case: UseCase) -> Measure {
    let world = use_case.prepare().await;
    let before = world.snapshot().await;
    let (told, trace) = attempt(use_case, &world, None).await;
    let names: Vec<&str> = trace.calls.iter().map(|call| call.name).collect();
    assert_eq!(names.join(","), use_case.calls(), "{use_case:?}");
    let after = world.snapshot().await;
    world.assert_sound(&format!("{use_case:?}")).await;
    use_case.run(&world).await;
    world.come_to_rest().await;
    Measure {
        calls: trace.calls,
        told,
        before,
        after,
        at_rest: world.snapshot().await,
    }
}

/// Runs a use case, and drops it if a call hangs.
async fn attempt(use_case: UseCase, world: &World, injection: Option<Injection>) -> (Told, Trace) {
    world.faults.arm(injection);
    let told = tokio::select! {
        biased;
        told = use_case.run(world) => told,
        () = world.faults.hung() => Told::Nothing,
    };
    (told, world.faults.disarm())
}

/// Returns whether a call was made to fail.
async fn inject(use_case: UseCase, measure: &Measure, injection: Injection) -> bool {
    let world = use_case.prepare().await;
    let (told, trace) = attempt(use_case, &world, Some(injection)).await;
    let Some(&call) = trace.calls.get(injection.at - 1) else {
        return false;
    };
    if !injection.failure.applies_to(call) {
        return false;
    }
    let context = format!("{use_case:?}, {injection:?} at {}", call.name);
    let wanted = expected(use_case, measure.told, call, injection);
    assert_eq!(told, wanted, "{context}");
    assert_tries(use_case, injection, call, &trace, &context);
    let now = world.snapshot().await;
    assert_all_or_nothing(use_case, measure, injection, told, call, &now, &context);
    world.assert_sound(&context).await;
    assert_dead_letters(use_case, injection, &world, &context).await;

    let again = use_case.run(&world).await;
    let is_good = again == measure.told || again == Told::Done;
    assert!(
        is_good || is_full(use_case, again),
        "{context}: then {again:?}"
    );
    world.come_to_rest().await;
    assert_eq!(world.snapshot().await, measure.at_rest, "{context}");
    world.assert_sound(&format!("{context}, at rest")).await;
    true
}

/// The queue may still hold what an earlier attempt published.
fn is_full(use_case: UseCase, told: Told) -> bool {
    use_case == UseCase::RelayToFullQueue && told == Told::QueueUnavailable
}

/// What strikes once strikes once. A conflict that lasts is met a bounded number of times by each part of a use case.
fn assert_tries(use_case: UseCase, injection: Injection, call: Call, trace: &Trace, context: &str) {
    if !injection.lasts {
        assert_eq!(trace.struck, 1, "{context}");
    } else if injection.failure == Failure::Conflict && call.role != Role::Probe {
        let parts = trace.struck / TRIES;
        assert!(trace.struck.is_multiple_of(TRIES), "{context}");
        assert!(
            (1..=use_case.parts()).contains(&parts),
            "{context}: {parts} parts"
        );
    }
}

fn assert_all_or_nothing(
    use_case: UseCase,
    measure: &Measure,
    injection: Injection,
    told: Told,
    call: Call,
    now: &Snapshot,
    context: &str,
) {
    if !use_case.is_one_transaction() {
        return;
    }
    // Of the parts of a sync that fails, the record of it is all that is written.
    let is_done = told == measure.told && !injection.lasts;
    let is_commit_lost = injection.failure == Failure::AnswerLost && call.role == Role::Commit;
    let wanted = if is_done || is_commit_lost {
        &measure.after
    } else {
        &measure.before
    };
    assert_eq!(now, wanted, "{context}");
}

/// Only settlement gives orders up, and only those that cannot be settled.
async fn assert_dead_letters(
    use_case: UseCase,
    injection: Injection,
    world: &World,
    context: &str,
) {
    let dead_letters = world.dead_letters().await;
    let for_good = matches!(injection.failure, Failure::Failed | Failure::Corrupt);
    if use_case.halves() && for_good {
        return;
    }
    let unreadable = world.store.unreadable;
    let others = dead_letters.iter().filter(|id| Some(**id) != unreadable);
    assert_eq!(others.count(), 0, "{context}");
}

/// Every way in which every call of the undisturbed run can fail.
fn possible_failures(calls: &[Call]) -> usize {
    let ways = |call: &Call| {
        let failures = Failure::ALL.into_iter().filter(|it| it.applies_to(*call));
        failures
            .map(|it| 1 + usize::from(it.can_last()))
            .sum::<usize>()
    };
    calls.iter().map(ways).sum()
}

#[tokio::test(start_paused = true)]
async fn every_call_of_every_port_may_fail() {
    println!("{:<34} {:>5} {:>8}", "use case", "calls", "failures");
    let mut total = 0;
    for use_case in UseCase::ALL {
        let measure = measure(use_case).await;
        let mut injected = 0;
        for at in 1.. {
            let before = injected;
            for failure in Failure::ALL {
                for lasts in [false, true] {
                    if lasts && !failure.can_last() {
                        continue;
                    }
                    let injection = Injection { at, failure, lasts };
                    injected += usize::from(inject(use_case, &measure, injection).await);
                }
            }
            if injected == before {
                break;
            }
        }
        println!(
            "{:<34} {:>5} {injected:>8}",
            format!("{use_case:?}"),
            measure.calls.len()
        );
        assert!(injected > 0);
        assert_eq!(injected, possible_failures(&measure.calls), "{use_case:?}");
        total += injected;
    }
    println!("{:<34} {:>5} {total:>8}", "all", "");
}
