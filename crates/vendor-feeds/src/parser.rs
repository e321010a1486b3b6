//! Parses the document, or the pages, of a report: decoding, format and rules in sequence.

use std::sync::atomic::AtomicBool;

use domain::ports::{FeedError, MalformedReport};
use domain::report::{Report, ReportKind};
use domain::run::ReportSize;
use domain::timestamp::Timestamp;

use crate::decode::{self, Limit, MAX_LEVELS};
use crate::format::{Format, FormatError};
use crate::options::{DecodeOptions, FieldOptions, RuleOptions};
use crate::page::{PageContent, PageReader, of_page};
use crate::rules::{Refused, Rules, Tally};
use crate::sample::{SampledRules, Sampler};
use crate::source::{Transferred, storage_failure};

/// Parses documents into reports.
pub(crate) struct Parser {
    pub(crate) decode: DecodeOptions,
    pub(crate) format: Box<dyn Format>,
    pub(crate) fields: FieldOptions,
    pub(crate) rules: RuleOptions,
    pub(crate) kind: ReportKind,
}

/// The circumstances of parsing one document.
#[derive(Clone, Copy)]
pub(crate) struct Parse<'p> {
    /// The number of the page that the document is, which errors name.
    pub(crate) page: Option<u64>,
    /// Set when the result is no longer needed.
    pub(crate) is_cancelled: &'p AtomicBool,
    /// `None` if no sample is kept.
    pub(crate) sampler: Option<&'p Sampler>,
}

/// The part of a report that was read so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    tally: Tally,
    /// The earliest as-of.
    as_of: Option<Timestamp>,
    /// Number of bytes before decompression.
    transferred: u64,
    /// Number of bytes after decompression.
    decoded: u64,
}

impl Progress {
    fn size(&self) -> ReportSize {
        ReportSize {
            bytes: Some(self.transferred),
            rows: Some(self.tally.records()),
        }
    }
}

impl Parser {
    /// Parses a document.
    pub(crate) fn parse(
        &self,
        mut transferred: Transferred,
        mut progress: Progress,
        parse: &Parse<'_>,
    ) -> Result<(Progress, PageContent), FeedError> {
        let &Parse {
            page,
            is_cancelled,
            sampler,
        } = parse;
        let length = decode::length(&mut transferred.bytes);
        progress.transferred += length.map_err(|error| storage_failure(&error))?;
        let bytes = Some(progress.transferred);
        let size = ReportSize { bytes, rows: None };
        let mut rules = Rules::resume(&self.fields, &self.rules, progress.tally, page);
        let mut record_sink = SampledRules {
            rules: &mut rules,
            sampler,
        };
        let mut page_records = PageReader::new(&mut record_sink, is_cancelled, page.is_some());
        let read = self.read(
            transferred,
            &mut page_records,
            progress.decoded,
            page.is_some(),
        );
        let (as_of, decoded) = read.map_err(|error| with_size(of_page(page, error), size))?;
        let content = page_records.content();
        let rows = Some(rules.records());
        progress.tally = rules.into_tally().map_err(|refused| match refused {
            // The places of the records name the page.
            Refused::Records(refusals) => {
                if let Some(sampler) = sampler {
                    sampler.add_refused(&refusals);
                }
                let size = ReportSize { bytes, rows };
                with_size(FeedError::Malformed(refusals.into()), size)
            }
            Refused::TooMany(max_rows) => {
                let problem = format!("more than {max_rows} records (rules.max_rows)");
                let error = of_page(page, FeedError::Malformed(problem.into()));
                with_size(error, size)
            }
        })?;
        progress.as_of = [progress.as_of, as_of].into_iter().flatten().min();
        progress.decoded = decoded;
        Ok((progress, content))
    }

    /// Reads the records of a document, after `decoded` bytes of other pages. Returns its as-of and the size of all pages.
    fn read(
        &self,
        transferred: Transferred,
        records: &mut PageReader<'_>,
        decoded: u64,
        is_page: bool,
    ) -> Result<(Option<Timestamp>, u64), FeedError> {
        let levels = MAX_LEVELS + usize::from(transferred.is_compressed);
        let unpacked = decode::unpack(transferred.bytes, &self.decode, levels);
        let mut document = unpacked.map_err(|error| storage_failure(&error))?;
        let size = document.size().map_err(|error| storage_failure(&error))?;
        let decoded = decoded + size;
        let limit = Limit::Decoded(self.decode.max_decoded_bytes);
        if is_page && decoded > limit.bytes() {
            return Err(storage_failure(&limit.exceeded()));
        }
        match self.format.read(document, records) {
            Ok(as_of) => Ok((as_of, decoded)),
            Err(FormatError::Malformed(problem)) => Err(FeedError::Malformed(problem.into())),
            Err(FormatError::Read(error)) => Err(storage_failure(&error)),
        }
    }

    /// The report of all documents, and its size.
    pub(crate) fn finish(&self, progress: Progress) -> Result<(Report, ReportSize), FeedError> {
        let size = progress.size();
        let Progress { tally, as_of, .. } = progress;
        let report = Report::from_quantities(self.kind, as_of, tally.into_quantities());
        match report {
            Ok(report) => Ok((report, size)),
            Err(error) => {
                let error = FeedError::Malformed(error.to_string().into());
                Err(with_size(error, size))
            }
        }
    }
}

/// Adds the size of the document to an error about it.
fn with_size(error: FeedError, size: ReportSize) -> FeedError {
    match error {
        FeedError::Malformed(malformed) => {
            FeedError::Malformed(MalformedReport { size, ..malformed })
        }
        error => error,
    }
}
