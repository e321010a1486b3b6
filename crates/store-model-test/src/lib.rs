//! The model-based test of a store: random sequences of operations run on the reference model (`storage-memory`) and on an
//! adapter, and each result is compared.
//!
//! Both stores are combined into one that returns the model's results and records the first result of the adapter that
//! differs. The use cases run over it, and so do units of work of single calls, so that every call is compared: its values,
//! their order, and its error if the model returns one. Units of work are dropped after any number of calls. When a sequence
//! ends, everything that can be read is compared, and the audit of the adapter must be empty.
//!
//! Ids are compared by pairs: both stores generated them at the same point of the sequence. Timestamps are compared as far
//! as the ports guarantee them: an as-of is the given one, and an order or a quantity is changed later in one store exactly
//! if it is in the other. Every duration in a sequence is either zero or longer than the test, so that the speed of the
//! machine cannot change a result.
//!
//! # Not covered
//!
//! Concurrency, speed and signals, which do not show in the results of a sequence. They have their own contracts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test-support crate: a failed comparison panics"
)]

mod bindings;
mod equivalent;
mod operations;
mod paired_pauses;
mod paired_store;
mod paired_work;
mod pairs;
mod run;
mod runner;
mod sequences;
mod steps;
mod strategies;
mod use_cases;

#[doc(hidden)]
pub use port_contracts;
pub use runner::test_adapter;

/// Name of the test in the records of contracts.
pub const RECORDED_AS: &str = "model.matches_the_reference_model";

/// Compares a store with the reference model, in one test.
///
/// `$setup` is the function that [`storage_contracts`](port_contracts::storage_contracts) takes. Each sequence starts with an empty
/// store: a new one, or, where creating one is slow, the previous one emptied by `$empty`, an async function of a reference
/// to the guard that removes every row.
///
/// The environment variable `MODEL_CASES` sets the number of sequences, 48 by default; `MODEL_SEED` sets the seed of the
/// first one, random by default. A failure prints the seed that reproduces it.
#[macro_export]
macro_rules! storage_model {
    ($setup:path) => {
        $crate::storage_model!(@test async |before| {
            if let Some((under_test, guard)) = before {
                $crate::port_contracts::finish(under_test, guard);
            }
            $setup().await
        });
    };
    ($setup:path, emptied by $empty:path) => {
        $crate::storage_model!(@test async |before| match before {
            Some((under_test, guard)) => {
                $empty(&guard).await;
                (under_test, guard)
            }
            None => $setup().await,
        });
    };
    (@test $renew:expr) => {
        #[test]
        fn matches_the_reference_model() {
            let package = env!("CARGO_PKG_NAME");
            let totals = $crate::test_adapter(package, $renew);
            println!("model and {package}:\n{totals}");
            $crate::port_contracts::record(
                env!("CARGO_TARGET_TMPDIR"),
                "storage",
                package,
                $crate::RECORDED_AS,
                &totals,
            );
        }
    };
}
