//! Runs sequences, each from its own seed.

use std::cell::{Cell, RefCell};
use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::atomic::Ordering;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;
use tokio::runtime::{Builder, Runtime};

use crate::operations::Operation;
use crate::run::Run;
use crate::sequences::Sequences;
use port_contracts::StorageUnderTest;
use port_contracts::finish;

/// Default number of sequences, which take a few seconds on a database.
const DEFAULT_CASES: u64 = 48;

/// Number of operations in a sequence, enough for early ones to affect late ones.
const LENGTHS: RangeInclusive<usize> = 10..=70;

/// Limit of attempts to shrink a failing sequence.
const SHRINKS: u32 = 1_500;

/// Totals over all sequences.
#[derive(Default)]
struct Totals {
    operations: Cell<u64>,
    calls: Cell<u64>,
}

/// Runs sequences on the model and on the adapter of `package`. `renew` returns an empty store, given the store that the
/// previous sequence used. Returns the totals, one `name number` pair per line.
///
/// # Panics
/// Panics if a result of the adapter differs from the model's. The message has the shortest failing sequence and its seed.
pub fn test_adapter<G>(
    package: &str,
    renew: impl AsyncFn(Option<(StorageUnderTest, G)>) -> (StorageUnderTest, G),
) -> String {
    // A separate runtime: the pools of some stores depend on the runtime that created them.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let cases = setting("MODEL_CASES").unwrap_or(DEFAULT_CASES);
    let first = setting("MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(package));
    let store = RefCell::new(None);
    let totals = Totals::default();
    for case in 0..cases {
        let seed = first.wrapping_add(case);
        let result = run_seed(seed, |operations, seen| {
            let before = store.take();
            let empty = runtime.block_on(renew(before));
            let result = run_sequence(&runtime, &empty.0, operations, &totals, seen);
            store.replace(Some(empty));
            result
        });
        if let Err(found) = result {
            panic!(
                "{found}\n\nTo reproduce: MODEL_SEED={seed} MODEL_CASES=1 cargo nextest run -p {package} -E \
                 'test(matches_the_reference_model)'"
            );
        }
    }
    if let Some((under_test, guard)) = store.take() {
        let _entered = runtime.enter();
        finish(under_test, guard);
    }
    let (operations, calls) = (totals.operations.get(), totals.calls.get());
    println!("first seed {first}:");
    format!("sequences {cases}\noperations {operations}\ncalls {calls}\n")
}

/// Reads a number from the environment.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let number = text.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} is {text:?}, which is not a number")))
}

/// Runs the sequence of a seed, and shorter ones if it fails.
fn run_seed(
    seed: u64,
    run_sequence: impl Fn(&[Operation], &dyn Fn()) -> Result<(), String>,
) -> Result<(), String> {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: SHRINKS,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let sequences = Sequences::sequential_strategy(LENGTHS);
    let result = runner.run(&sequences, |(_, operations, seen)| {
        let count_one = || {
            if let Some(seen) = &seen {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        };
        run_sequence(&operations, &count_one).map_err(TestCaseError::fail)
    });
    result.map_err(|error| match error {
        TestError::Fail(reason, (_, operations, _)) => {
            let lines: Vec<String> = (0_u32..)
                .zip(&operations)
                .map(|(index, operation)| format!("{index:>4} {operation:?}\n"))
                .collect();
            format!(
                "{reason}\n\nThe shortest sequence found:\n{}",
                lines.concat()
            )
        }
        TestError::Abort(reason) => format!("failed to generate a sequence: {reason}"),
    })
}

fn run_sequence(
    runtime: &Runtime,
    real: &StorageUnderTest,
    operations: &[Operation],
    totals: &Totals,
    seen: &dyn Fn(),
) -> Result<(), String> {
    runtime.block_on(async {
        let mut run = Run::new(real);
        for (index, operation) in operations.iter().enumerate() {
            seen();
            let result = run.execute(operation).await;
            result.map_err(|found| format!("operation {index}: {found}"))?;
            totals.operations.set(totals.operations.get() + 1);
        }
        let calls = run.end().await?;
        totals.calls.set(totals.calls.get() + calls);
        Ok(())
    })
}
