//! The build of the program, as a metric whose labels join with those of other metrics.

use prometheus::{Gauge, Opts, Registry};

use crate::InvalidMetric;

/// Value of the label `commit` if the commit is unknown.
const UNKNOWN: &str = "unknown";

/// The version of a program, and the commit that it was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo {
    /// The version.
    pub version: &'static str,
    /// The commit; `None` if it is unknown.
    pub commit: Option<&'static str>,
}

impl Default for BuildInfo {
    /// The version of the workspace, and no commit.
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: None,
        }
    }
}

impl BuildInfo {
    /// Registers `aggregator_build_info`, which is always 1.
    pub(crate) fn register(self, registry: &Registry) -> Result<(), InvalidMetric> {
        let options = Opts::new(
            "aggregator_build_info",
            "Version and commit of this program; the value is always 1.",
        )
        .const_label("version", self.version)
        .const_label("commit", self.commit.unwrap_or(UNKNOWN));
        let gauge = Gauge::with_opts(options)?;
        gauge.set(1.0);
        registry.register(Box::new(gauge))
    }
}
