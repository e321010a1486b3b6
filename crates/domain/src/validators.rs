//! Validators: what identifies the version of a report at its source, so that the source can state that it has not changed.

/// The validators of a report, as its source stated them. Their meaning is that of the source; the store keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// Identifies the settings and the address for which the others are valid. The report that another program, another
    /// setting or another address reads may differ.
    pub scope: String,
    /// `ETag`, as it was sent.
    pub etag: Option<String>,
    /// `Last-Modified`, as it was sent.
    pub last_modified: Option<String>,
}
