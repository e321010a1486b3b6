//! Every use case, with every port call failing in every way that is possible for it.
//!
//! A run without failures is the baseline. Then the first call fails, then the second, and so on until a run no longer
//! reaches the call: either once, or with all calls after it. After each failure the result is the expected one, the
//! committed changes are all or nothing, every balance is right, no lock is held and no order is lost; and repeating the use
//! case leads to the state of the baseline.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod builders;
mod expected;
mod faults;
mod faulty_edges;
mod faulty_store;
mod fixture;
mod logs;
mod use_cases;

use strum::VariantArray as _;

use expected::{Expected, expected_result};
use faults::{Call, Failure, Injection, Role, Trace};
use fixture::{Fixture, Snapshot};
use use_cases::UseCase;

/// Number of attempts of a use case that meets a conflict each time.
const MAX_ATTEMPTS: usize = 9;

/// A run without failures.
struct Baseline {
    calls: Vec<Call>,
    result: Expected,
    before: Snapshot,
    after: Snapshot,
    idle: Snapshot,
}

async fn baseline(use_case: UseCase) -> Baseline {
    let fixture = use_case.prepare().await;
    let before = fixture.snapshot().await;
    let (actual, trace) = attempt(use_case, &fixture, None).await;
    let names: Vec<&str> = trace.calls.iter().map(|call| call.name).collect();
    assert_eq!(names.join(","), use_case.calls(), "{use_case:?}");
    let after = fixture.snapshot().await;
    fixture.assert_sound(&format!("{use_case:?}")).await;
    use_case.run(&fixture).await;
    fixture.run_until_idle().await;
    Baseline {
        calls: trace.calls,
        result: actual,
        before,
        after,
        idle: fixture.snapshot().await,
    }
}

/// Runs a use case, and drops it if a call hangs.
async fn attempt(
    use_case: UseCase,
    fixture: &Fixture,
    injection: Option<Injection>,
) -> (Expected, Trace) {
    fixture.faults.arm(injection);
    let actual = tokio::select! {
        biased;
        actual = use_case.run(fixture) => actual,
        () = fixture.faults.hung() => Expected::Dropped,
    };
    (actual, fixture.faults.disarm())
}

/// Runs a use case with an injected failure, and returns whether a call was made to fail.
async fn inject(use_case: UseCase, baseline: &Baseline, injection: Injection) -> bool {
    let fixture = use_case.prepare().await;
    let (actual, trace) = attempt(use_case, &fixture, Some(injection)).await;
    let Some(&call) = trace.calls.get(injection.at - 1) else {
        return false;
    };
    if !injection.failure.applies_to(call) {
        return false;
    }
    let context = format!("{use_case:?}, {injection:?} at {}", call.name);
    let expected = expected_result(use_case, baseline.result, call, injection);
    assert_eq!(actual, expected, "{context}");
    assert_attempts(use_case, injection, call, &trace, &context);
    let now = fixture.snapshot().await;
    assert_all_or_nothing(use_case, baseline, injection, actual, call, &now, &context);
    fixture.assert_sound(&context).await;
    assert_dead_letters(use_case, injection, &fixture, &context).await;

    let again = use_case.run(&fixture).await;
    let is_good = again == baseline.result || again == Expected::Done;
    assert!(
        is_good || is_full(use_case, again),
        "{context}: then {again:?}"
    );
    fixture.run_until_idle().await;
    assert_eq!(fixture.snapshot().await, baseline.idle, "{context}");
    fixture.assert_sound(&format!("{context}, idle")).await;
    true
}

/// Returns whether the queue is full of what an earlier attempt published.
fn is_full(use_case: UseCase, actual: Expected) -> bool {
    use_case == UseCase::RelayToFullQueue && actual == Expected::QueueUnavailable
}

/// A failure that does not last is injected once. A lasting conflict is met a bounded number of times by each part of a use
/// case.
fn assert_attempts(
    use_case: UseCase,
    injection: Injection,
    call: Call,
    trace: &Trace,
    context: &str,
) {
    if !injection.lasts {
        assert_eq!(trace.failures, 1, "{context}");
    } else if injection.failure == Failure::Conflict && call.role != Role::Probe {
        let failures = trace.failures - usize::from(is_commit_of_claim(use_case, injection.at));
        let parts = failures / MAX_ATTEMPTS;
        assert!(failures.is_multiple_of(MAX_ATTEMPTS), "{context}");
        assert!(
            (1..=use_case.parts()).contains(&parts),
            "{context}: {parts} parts"
        );
    }
}

/// Returns whether the call with this number, from 1, is the commit of a claim, which is not repeated: its entries are published
/// meanwhile.
fn is_commit_of_claim(use_case: UseCase, number: usize) -> bool {
    matches!(use_case, UseCase::Relay | UseCase::RelayToFullQueue) && number == 3
}

fn assert_all_or_nothing(
    use_case: UseCase,
    baseline: &Baseline,
    injection: Injection,
    actual: Expected,
    call: Call,
    now: &Snapshot,
    context: &str,
) {
    if !use_case.is_one_transaction() {
        return;
    }
    // A sync that fails writes only the record of its failure.
    let is_done = actual == baseline.result && !injection.lasts;
    let is_commit_lost = injection.failure == Failure::ReplyLost && call.role == Role::Commit;
    let expected = if is_done || is_commit_lost {
        &baseline.after
    } else {
        &baseline.before
    };
    assert_eq!(now, expected, "{context}");
}

/// Asserts that only settlement gives orders up, and only those that cannot be settled.
async fn assert_dead_letters(
    use_case: UseCase,
    injection: Injection,
    fixture: &Fixture,
    context: &str,
) {
    let dead_letters = fixture.dead_letters().await;
    let is_permanent = matches!(injection.failure, Failure::Failed | Failure::Corrupt);
    if use_case.halves() && is_permanent {
        return;
    }
    let unreadable = fixture.store.unreadable;
    let others = dead_letters.iter().filter(|id| Some(**id) != unreadable);
    assert_eq!(others.count(), 0, "{context}");
}

/// Returns the number of ways in which the calls of the baseline can fail.
fn possible_failures(calls: &[Call]) -> usize {
    let ways = |call: &Call| {
        let failures = Failure::VARIANTS.iter().filter(|it| it.applies_to(*call));
        failures
            .map(|it| 1 + usize::from(it.can_last()))
            .sum::<usize>()
    };
    calls.iter().map(ways).sum()
}

#[tokio::test(start_paused = true)]
async fn use_cases_survive_a_failure_of_each_port_call() {
    println!("{:<34} {:>5} {:>8}", "use case", "calls", "failures");
    let mut total = 0;
    for use_case in UseCase::ALL {
        let baseline = baseline(use_case).await;
        let mut injected = 0;
        for at in 1.. {
            let before = injected;
            for &failure in Failure::VARIANTS {
                for lasts in [false, true] {
                    if lasts && !failure.can_last() {
                        continue;
                    }
                    let injection = Injection { at, failure, lasts };
                    injected += usize::from(inject(use_case, &baseline, injection).await);
                }
            }
            if injected == before {
                break;
            }
        }
        println!(
            "{:<34} {:>5} {injected:>8}",
            format!("{use_case:?}"),
            baseline.calls.len()
        );
        assert!(injected > 0);
        assert_eq!(injected, possible_failures(&baseline.calls), "{use_case:?}");
        total += injected;
    }
    println!("{:<34} {:>5} {total:>8}", "all", "");
}
