//! The model test of a store: random sequences of operations, played to the reference model (`storage-memory`) and to an
//! adapter, answer by answer.
//!
//! Both stores are put together as one that answers as the model does and notes the first answer of the adapter that is
//! another. The use cases run over it, and so do units of work of single calls, so that every call that either makes is
//! compared: with the right values, in the right order, and with an error where the model has one. Units of work are
//! dropped after any number of their calls. When a sequence ends, everything that can be read is compared, and the audit
//! of the adapter must be empty.
//!
//! Numbers are compared by what they stand for: the order that both created at the same point. Moments are compared as
//! far as the ports promise something: an as-of is the one that was given, and an order or a quantity is later changed
//! in the one exactly if it is in the other. Every span in a sequence is none or longer than the test, so that no machine
//! is slow enough to change an answer.
//!
//! # What is not here
//!
//! Concurrency, speed, and signals: what they promise is not an answer to a sequence. They have their contracts.

mod alike;
mod cast;
mod operations;
mod paired_store;
mod paired_work;
mod pairs;
mod run;
mod sequences;
mod steps;
mod strategies;
mod trial;
mod use_cases;

pub use trial::try_adapter;

/// How the test stands among the contracts.
pub const RECORDED_AS: &str = "model.it_answers_as_the_model_does";

/// Compares a store with the reference model, in one test.
///
/// `$setup` is the function that [`storage_contracts`](crate::storage_contracts) takes. Each sequence begins with an empty
/// store: a new one, or, where that takes long, the one before, emptied by `$empty`: an async function of a reference to
/// the guard, which removes every row.
///
/// `MODEL_CASES` in the environment is how many sequences are tried, 48 unless it is there; `MODEL_SEED` the number of
/// the first, random unless it is there. A failure names the seed to repeat it with.
#[macro_export]
macro_rules! storage_model {
    ($setup:path) => {
        $crate::storage_model!(@test async |before| {
            if let Some((under_test, guard)) = before {
                $crate::finish(under_test, guard);
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
        fn it_answers_as_the_model_does() {
            let package = env!("CARGO_PKG_NAME");
            let tried = $crate::model::try_adapter(package, $renew);
            println!("model and {package}:\n{tried}");
            $crate::record(
                env!("CARGO_TARGET_TMPDIR"),
                "storage",
                package,
                $crate::model::RECORDED_AS,
                &tried,
            );
        }
    };
}
