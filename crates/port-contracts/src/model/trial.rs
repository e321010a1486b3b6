//! Sequence after sequence, each from a seed of its own.

use std::cell::{Cell, RefCell};
use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::atomic::Ordering;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;
use tokio::runtime::{Builder, Runtime};

use super::operations::Operation;
use super::run::Run;
use super::sequences::Sequences;
use crate::expansion::finish;
use crate::storage::StorageUnderTest;

/// Sequences where nobody says how many: some seconds on a database.
const DEFAULT_CASES: u64 = 48;

/// Operations of a sequence: enough for what an early one left to matter to a late one.
const LENGTHS: RangeInclusive<usize> = 10..=70;

/// Sequences tried to make one that fails shorter.
const SHRINKS: u32 = 1_500;

/// What was tried.
#[derive(Default)]
struct Count {
    operations: Cell<u64>,
    calls: Cell<u64>,
}

/// Plays sequences to the model and to the adapter of the package. `renew` makes an empty store of what the sequence
/// before left, of nothing at first. Returns how much was tried, as lines of a name and a number.
///
/// # Panics
/// If an answer of the adapter is not the model's, with the shortest sequence that was found and how to repeat it.
pub fn try_adapter<G>(
    package: &str,
    renew: impl AsyncFn(Option<(StorageUnderTest, G)>) -> (StorageUnderTest, G),
) -> String {
    // Its own: the pools of some stores live on the runtime that made them.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let cases = setting("MODEL_CASES").unwrap_or(DEFAULT_CASES);
    let first = setting("MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(package));
    let store = RefCell::new(None);
    let count = Count::default();
    for case in 0..cases {
        let seed = first.wrapping_add(case);
        let tried = try_seed(seed, |operations, seen| {
            let before = store.take();
            let empty = runtime.block_on(renew(before));
            let played = play(&runtime, &empty.0, operations, &count, seen);
            store.replace(Some(empty));
            played
        });
        if let Err(found) = tried {
            panic!(
                "{found}\n\nTo repeat it: MODEL_SEED={seed} MODEL_CASES=1 cargo nextest run -p {package} -E \
                 'test(it_answers_as_the_model_does)'"
            );
        }
    }
    if let Some((under_test, guard)) = store.take() {
        let _entered = runtime.enter();
        finish(under_test, guard);
    }
    let (operations, calls) = (count.operations.get(), count.calls.get());
    println!("from seed {first} on:");
    format!("sequences {cases}\noperations {operations}\ncalls {calls}\n")
}

/// A number from the environment.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let number = text.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} is {text:?}, which is no number")))
}

/// Plays the sequence of a seed; if it fails, shorter ones.
fn try_seed(
    seed: u64,
    play: impl Fn(&[Operation], &dyn Fn()) -> Result<(), String>,
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
    let tried = runner.run(&sequences, |(_, operations, seen)| {
        let saw_one = || {
            if let Some(seen) = &seen {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        };
        play(&operations, &saw_one).map_err(TestCaseError::fail)
    });
    tried.map_err(|error| match error {
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
        TestError::Abort(reason) => format!("no sequence could be made: {reason}"),
    })
}

fn play(
    runtime: &Runtime,
    real: &StorageUnderTest,
    operations: &[Operation],
    count: &Count,
    seen: &dyn Fn(),
) -> Result<(), String> {
    runtime.block_on(async {
        let mut run = Run::new(real);
        for (index, operation) in operations.iter().enumerate() {
            seen();
            let played = run.play(operation).await;
            played.map_err(|found| format!("operation {index}: {found}"))?;
            count.operations.set(count.operations.get() + 1);
        }
        let calls = run.end().await?;
        count.calls.set(count.calls.get() + calls);
        Ok(())
    })
}
