//! The port to the reports that a vendor pushes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use super::vendors::VendorFeed;
use crate::evidence::ResponseTimes;
use crate::identifiers::VendorId;

/// The reason why a pushed document was not received.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UploadError {
    /// The document is larger than the vendor's settings allow; the text names the setting.
    #[error("{0}")]
    TooLarge(String),
    /// The document cannot be stored on this machine.
    #[error("{0}")]
    Storage(String),
}

/// The properties of a pushed document that its request states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushedDocument {
    /// Whether the document was compressed for the transfer.
    pub is_compressed: bool,
    /// The times of the request's header fields.
    pub times: ResponseTimes,
    /// The announced size of the document as it is transferred, in bytes.
    pub announced_bytes: Option<u64>,
}

/// Receives the documents that one vendor pushes.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait PushFeed: Send + Sync {
    /// Returns the vendor's id. MUST always return the same id.
    fn vendor_id(&self) -> &VendorId;

    /// Returns the setting `lag`, as [`VendorFeed::lag`] does. MUST NOT block.
    fn lag(&self) -> Duration;

    /// Returns the setting `max_age`, as [`VendorFeed::max_age`] does. MUST NOT block.
    fn max_age(&self) -> Option<Duration>;

    /// Returns the setting `timeout`: the longest time for reading a document that was received. MUST NOT block.
    fn timeout(&self) -> Duration;

    /// Begins to receive a document. MUST NOT block, and MUST fail with [`UploadError::TooLarge`] if the announced size is
    /// beyond the vendor's limit.
    fn receive(&self, document: PushedDocument) -> Result<Box<dyn DocumentUpload>, UploadError>;
}

/// A document that is being received. Dropping it discards the bytes that were received.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait DocumentUpload: Send {
    /// Appends bytes to the document. MUST keep a bounded part of the document in memory, and MUST fail with
    /// [`UploadError::TooLarge`] at the first byte beyond the vendor's limit.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError>;

    /// Ends the document and returns a feed with its report. [`VendorFeed::fetch`] of that feed MUST read the document as a
    /// document from any other source, within the vendor's `timeout`, and MUST fail when it is called again.
    async fn finish(self: Box<Self>) -> Result<Box<dyn VendorFeed>, UploadError>;
}

/// A vendor of the settings that pushes its reports.
#[derive(Clone)]
pub struct ConfiguredPushFeed {
    /// Receives the vendor's documents.
    pub feed: Arc<dyn PushFeed>,
    /// The source of the reports in the form of a URL, which contains the vendor's id.
    pub url: String,
}
