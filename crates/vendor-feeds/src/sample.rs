//! A sample of the last fetch of a feed, for an operator who checks its settings. It is kept also if the report is refused.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::evidence::ResponseTimes;
use domain::identifiers::ProductId;
use domain::refusal::Refusals;

use crate::decode;
use crate::excerpt::excerpt;
use crate::record::{Record, RecordSink};
use crate::rules::Rules;
use crate::secrets::Secrets;
use crate::source::Transferred;

/// Number of records in a sample.
pub const MAX_SAMPLED: usize = 5;

/// An extract of the data that a fetch read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Name of the file that was read, on one line; `None` if the source has no name for it, or nothing was transferred.
    pub file: Option<String>,
    /// Number of bytes that were transferred, before decompression; `None` if nothing was transferred completely.
    pub bytes: Option<u64>,
    /// The times of the document, as the source states them.
    pub times: ResponseTimes,
    /// Number of records that were read, including refused ones.
    pub records: u64,
    /// The first records, at most [`MAX_SAMPLED`].
    pub first: Vec<SampledRecord>,
    /// The records that the rules do not cover.
    pub refused: Refusals,
}

/// A record of a document, and what is read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledRecord {
    /// Where the record is, for example `row 7`.
    pub place: String,
    /// The fields of the product id and of the quantity, in the order of the settings.
    pub fields: Vec<SampledField>,
    /// The product and its units; `None` if the record is refused.
    pub read: Option<(ProductId, u32)>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledField {
    /// The field, as the settings name it.
    pub column: String,
    /// Its value in the document, as an excerpt on one line, a text in quotation marks; `None` if the record does not have
    /// the field.
    pub value: Option<String>,
}

/// Receives the sample of each fetch of a feed. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Sampler(Arc<Mutex<Sample>>);

impl Sampler {
    /// Returns the sample of the last fetch, which may still be in progress.
    #[must_use]
    pub fn sample(&self) -> Sample {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the sample of the next fetch.
    pub(crate) fn clear(&self) {
        *self.lock() = Sample::default();
    }

    /// Adds a document that was transferred, before it is read.
    pub(crate) fn add_document(&self, transferred: &mut Transferred) -> io::Result<()> {
        let bytes = decode::length(&mut transferred.bytes)?;
        let mut sample = self.lock();
        sample.file = transferred
            .file
            .as_ref()
            .map(|file| excerpt(&file.version.name));
        sample.bytes = Some(sample.bytes.unwrap_or(0) + bytes);
        sample.times = transferred.times.clone();
        Ok(())
    }

    /// Keeps the records that the rules do not cover.
    pub(crate) fn add_refused(&self, refused: &Refusals) {
        self.lock().refused = refused.clone();
    }

    /// Replaces the secrets of the source, which a vendor may repeat.
    pub(crate) fn redact(&self, secrets: &Secrets) {
        let mut sample = self.lock();
        sample.refused = secrets.redact_refused(&sample.refused);
        let fields = sample
            .first
            .iter_mut()
            .flat_map(|record| &mut record.fields);
        for value in fields.filter_map(|field| field.value.as_mut()) {
            *value = secrets.redact(value);
        }
    }

    fn add_record(&self, record: &Record<'_>, rules: &Rules<'_>) {
        let mut sample = self.lock();
        sample.records += 1;
        if sample.first.len() < MAX_SAMPLED {
            sample.first.push(rules.sample(record));
        }
    }
}

/// Passes records on to the rules, and adds the first to a sample.
pub(crate) struct SampledRules<'r, 'o> {
    pub(crate) rules: &'r mut Rules<'o>,
    /// `None` if no sample is kept.
    pub(crate) sampler: Option<&'r Sampler>,
}

impl RecordSink for SampledRules<'_, '_> {
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        if let Some(sampler) = self.sampler {
            sampler.add_record(record, self.rules);
        }
        self.rules.take(record)
    }
}
