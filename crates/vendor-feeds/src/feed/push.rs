//! Documents that a vendor pushes: each is received into a spool, and then read like a document from any other source.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::guard::Guard;
use domain::identifiers::VendorId;
use domain::ports::{DocumentUpload, FeedError, PushFeed, PushedDocument, UploadError, VendorFeed};
use domain::report::ReportKind;

use super::reading::Reading;
use super::{InvalidOptions, SourceFeed};
use crate::decode::{Limit, SpoolWriter};
use crate::format::PageFields;
use crate::options::{DecodeOptions, FeedOptions, FieldOptions, FormatOptions, RuleOptions};
use crate::source::{DocumentSource, FeedSource, Transferred, storage_failure};

/// Options of the feed of a vendor that pushes its reports.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// Id of the vendor.
    pub vendor_id: VendorId,
    /// How the bytes of a document become text.
    pub decode: DecodeOptions,
    /// How the text becomes records.
    pub format: FormatOptions,
    /// Which fields of a record are the product id and the quantity.
    pub fields: FieldOptions,
    /// The meaning of values that are not a count of units.
    pub rules: RuleOptions,
    /// Longest time for reading a document that was received.
    pub timeout: Duration,
    /// Whether a report lists all of the vendor's stock or changes only.
    pub kind: ReportKind,
    /// Longest age of the vendor's counts when it pushes them.
    pub lag: Duration,
    /// Age beyond which the vendor's stock is not sold; `None` is no limit.
    pub max_age: Option<Duration>,
    /// How much one report may take away before it is held in quarantine.
    pub guard: Guard,
}

/// The options of a feed without those of its source.
impl From<FeedOptions> for PushOptions {
    fn from(options: FeedOptions) -> Self {
        let FeedOptions {
            vendor_id,
            source: _,
            after: _,
            decode,
            format,
            fields,
            rules,
            timeout,
            retries: _,
            kind,
            lag,
            max_age,
            guard,
        } = options;
        Self {
            vendor_id,
            decode,
            format,
            fields,
            rules,
            timeout,
            kind,
            lag,
            max_age,
            guard,
        }
    }
}

/// Receives the documents of a vendor that pushes its reports.
#[derive(Clone)]
pub struct PushReceiver(Reading);

impl fmt::Debug for PushReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushReceiver")
            .field("vendor_id", &self.0.vendor_id)
            .finish_non_exhaustive()
    }
}

impl PushReceiver {
    /// Creates a receiver.
    ///
    /// # Errors
    /// [`InvalidOptions::Option`].
    pub fn new(options: PushOptions) -> Result<Self, InvalidOptions> {
        Reading::new(options, &PageFields::default()).map(Self)
    }
}

impl PushFeed for PushReceiver {
    fn vendor_id(&self) -> &VendorId {
        &self.0.vendor_id
    }

    fn lag(&self) -> Duration {
        self.0.lag
    }

    fn max_age(&self) -> Option<Duration> {
        self.0.max_age
    }

    fn timeout(&self) -> Duration {
        self.0.timeout
    }

    fn receive(&self, document: PushedDocument) -> Result<Box<dyn DocumentUpload>, UploadError> {
        let limit = Limit::Transferred(self.0.parser.decode.max_bytes);
        if document.announced_bytes.unwrap_or(0) > limit.bytes() {
            return Err(upload_error(&limit.exceeded()));
        }
        Ok(Box::new(Upload {
            reading: self.0.clone(),
            document,
            writer: SpoolWriter::new(limit),
        }))
    }
}

/// A document that is being received.
struct Upload {
    reading: Reading,
    document: PushedDocument,
    writer: SpoolWriter,
}

#[async_trait]
impl DocumentUpload for Upload {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.writer
            .write(bytes)
            .await
            .map_err(|error| upload_error(&error))
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn VendorFeed>, UploadError> {
        let Self {
            reading,
            document,
            writer,
        } = *self;
        let transferred = Transferred {
            bytes: writer
                .finish()
                .await
                .map_err(|error| upload_error(&error))?,
            file: None,
            is_compressed: document.is_compressed,
            times: document.times,
        };
        Ok(Box::new(SourceFeed {
            reading,
            source: FeedSource::Document(Box::new(Received(Mutex::new(Some(transferred))))),
            secrets: Arc::default(),
            sampler: None,
        }))
    }
}

fn upload_error(error: &io::Error) -> UploadError {
    if error.kind() == io::ErrorKind::InvalidData {
        return UploadError::TooLarge(error.to_string());
    }
    UploadError::Storage(storage_failure(error).to_string())
}

/// A document that was received, until it is read.
struct Received(Mutex<Option<Transferred>>);

#[async_trait]
impl DocumentSource for Received {
    async fn transfer(&self, _: &mut Option<FeedError>) -> Result<Transferred, FeedError> {
        let mut received = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        received
            .take()
            .ok_or_else(|| FeedError::Unavailable("the pushed document was read before".to_owned()))
    }
}
