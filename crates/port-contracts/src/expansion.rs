//! Support for the contract macros: each contract expands to one test with a timeout.

use std::future::Future;
use std::time::Duration;

/// Timeout of a contract, long enough for a busy machine. A contract that hangs fails instead of blocking the run.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Runs a contract with a timeout.
pub async fn in_time(contract: impl Future<Output = ()>) {
    tokio::time::timeout(TIMEOUT, contract)
        .await
        .expect("the contract timed out");
}

/// Drops the adapter before the guard that it depends on.
pub fn finish<T, G>(under_test: T, guard: G) {
    drop(under_test);
    drop(guard);
}

/// Expands a list of contracts to one test each.
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
