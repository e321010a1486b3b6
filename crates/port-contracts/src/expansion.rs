//! What the lists of contracts expand to: one test each, bounded in time.

use std::future::Future;
use std::time::Duration;

/// Longer than any contract takes on a busy machine; one that hangs fails with its name instead of hanging the run.
const LONGEST: Duration = Duration::from_mins(2);

/// Runs a contract, bounded in time.
pub async fn in_time(contract: impl Future<Output = ()>) {
    tokio::time::timeout(LONGEST, contract)
        .await
        .expect("the contract did not end in time");
}

/// Lets go of the adapter before what it stands on.
pub fn finish<T, G>(under_test: T, guard: G) {
    drop(under_test);
    drop(guard);
}

/// One test for each contract of a list.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($setup:path, $suite:ident, $($module:ident { $($contract:ident),+ $(,)? })+) => {
        $($(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $contract() {
                let (under_test, guard) = $setup().await;
                $crate::in_time($crate::$suite::$module::$contract(&under_test)).await;
                $crate::finish(under_test, guard);
                $crate::record(
                    env!("CARGO_TARGET_TMPDIR"),
                    stringify!($suite),
                    env!("CARGO_PKG_NAME"),
                    concat!(stringify!($module), ".", stringify!($contract)),
                    "",
                );
            }
        )+)+
    };
}
