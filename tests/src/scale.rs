//! Scale of the load in tests: small by default, full on request.
//!
//! `E2E_SCALE=full` uses the figures quoted in the documentation. The default uses smaller figures, so that a run is short.

/// Returns `full` if `E2E_SCALE=full`, `usual` otherwise.
#[must_use]
pub fn pick<T>(usual: T, full: T) -> T {
    if std::env::var("E2E_SCALE").is_ok_and(|scale| scale == "full") {
        full
    } else {
        usual
    }
}
