//! How hard the tests press: a little in every run, much when asked to.
//!
//! `E2E_SCALE=full` runs the figures that are quoted in the project's notes; without it the same tests run with smaller
//! ones, so that a run stays short.

/// Picks a figure.
#[must_use]
pub fn pick<T>(usual: T, full: T) -> T {
    if std::env::var("E2E_SCALE").is_ok_and(|scale| scale == "full") {
        full
    } else {
        usual
    }
}
