//! The build of a program: its version and the commit that it was built from.

#[cfg(feature = "service")]
use metrics::BuildInfo;

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, as `BUILD_COMMIT` was set when the program was built, or as the checkout had it; `None` if neither is known,
/// and in debug builds.
pub const COMMIT: Option<&str> = option_env!("PROGRAM_COMMIT");

/// The version and, if it is known, the commit: the output of `--version`.
pub const VERSION_AND_COMMIT: &str = env!("PROGRAM_VERSION");

#[cfg(feature = "service")]
/// Version and commit, as the metric and `GET /` report them.
pub const INFO: BuildInfo = BuildInfo {
    version: VERSION,
    commit: COMMIT,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_line_begins_with_the_version_and_ends_with_the_commit() {
        let expected = match COMMIT {
            Some(commit) => format!("{VERSION} ({commit})"),
            None => VERSION.to_owned(),
        };
        assert_eq!(VERSION_AND_COMMIT, expected);
    }
}
