//! EDI interchanges, read as a stream of segments: X12 846 (Inventory Inquiry/Advice) and EDIFACT INVRPT (Inventory report).
//!
//! A record is a line item (`LIN`) with the wanted codes: the product id by its qualifier, each quantity by its code. A line with
//! several quantities of a code, as of several locations, is several records. Counts and control numbers of the envelope must be
//! right, so that a report that lost segments changes nothing; what is not the expected message is refused and named.
//!
//! [`interchange`] reads both; a [`Dialect`] has what differs.

mod as_of;
mod edifact;
mod envelope;
mod interchange;
mod line;
mod repertoire;
mod segment;
#[cfg(test)]
mod tests;
pub(crate) mod tokenizer;
mod x12;

use std::io::BufRead;
use std::marker::PhantomData;

use domain::timestamp::Timestamp;

use self::as_of::{DocumentAsOf, Written};
use self::envelope::Envelope;
use self::interchange::Run;
use self::line::{Codes, Line};
use self::segment::Segment;
use self::tokenizer::Tokenizer;
use super::{Format, FormatError};
use crate::decode::Document;
use crate::excerpt::excerpt;
use crate::options::{EdiOptions, FieldOptions};
use crate::record::RecordSink;

type X12 = Edi<x12::X12>;
type Edifact = Edi<edifact::Edifact>;

/// The reader of X12 846. The error is a one-line description of the invalid option.
pub(crate) fn x12(
    options: &EdiOptions,
    fields: &FieldOptions,
) -> Result<impl Format + use<>, String> {
    X12::new(options, fields)
}

/// The reader of EDIFACT INVRPT. The error is a one-line description of the invalid option.
pub(crate) fn edifact(
    options: &EdiOptions,
    fields: &FieldOptions,
) -> Result<impl Format + use<>, String> {
    Edifact::new(options, fields)
}

/// Reads EDI documents of one dialect.
#[derive(Debug)]
struct Edi<D> {
    codes: Codes,
    as_of: Option<DocumentAsOf>,
    dialect: PhantomData<D>,
}

impl<D: Dialect> Edi<D> {
    /// The error is a one-line description of the invalid option.
    fn new(options: &EdiOptions, fields: &FieldOptions) -> Result<Self, String> {
        let as_of = options.as_of.as_ref();
        Ok(Self {
            codes: Codes::new(fields, &options.units)?,
            as_of: as_of.map(DocumentAsOf::new).transpose()?,
            dialect: PhantomData,
        })
    }
}

impl<D: Dialect> Format for Edi<D> {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let mut segments = D::segments(document)?;
        let dialect = D::new(segments.decimal_mark());
        let mut run = Run::new(dialect, &self.codes, self.as_of.as_ref());
        while let Some(segment) = segments.next_segment()? {
            if run.take(segment, records)?.is_break() {
                return Ok(None);
            }
        }
        run.finish()
    }
}

/// One interchange of a syntax and a message, while it is read.
trait Dialect: Send + Sync {
    /// The segments of the envelope.
    const ENVELOPE: Envelope;
    /// The segments at the beginning of a message, before its lines and the parties: only there the as-of is looked for.
    const HEADER: &[&str];
    /// A segment that ends a line without beginning another.
    const END_OF_LINE: Option<&str>;

    /// The segments of a document.
    fn segments(document: Document) -> Result<Tokenizer<impl BufRead>, FormatError>;

    /// `decimal_mark` is that of the separators, if they state one.
    fn new(decimal_mark: Option<u8>) -> Self;

    /// The header of the interchange: a test is refused.
    fn interchange(&mut self, segment: &Segment) -> Result<(), FormatError>;

    /// The header of a group.
    fn group(&self, segment: &Segment) -> Result<(), FormatError>;

    /// The header of a message: another message is refused.
    fn message(&self, segment: &Segment) -> Result<(), FormatError>;

    /// The instant in a segment of the header of a message, if it has the code.
    fn instant(&self, segment: &Segment, code: &str) -> Result<Option<Written>, FormatError>;

    /// The ids in LIN, which begins `line`.
    fn line(&mut self, segment: &Segment, line: &mut Line<'_>) -> Result<(), FormatError>;

    /// The quantity in QTY.
    fn quantity(&mut self, segment: &Segment, line: &mut Line<'_>) -> Result<(), FormatError>;

    /// Any other segment of a message; `line` is the one that is open.
    fn other(&mut self, segment: &Segment, line: Option<&mut Line<'_>>) -> Result<(), FormatError>;
}

/// A text of the document in quotation marks, as an excerpt on one line.
fn quoted(text: &str) -> String {
    excerpt(&format!("{text:?}"))
}

/// An error at a segment.
fn malformed(segment: u64, problem: impl std::fmt::Display) -> FormatError {
    FormatError::Malformed(format!("segment {segment}: {problem}"))
}

/// Refuses a message that is no statement of stock. `element` has the code of its purpose, of which `refused` are the
/// others with their names.
fn check_purpose(
    segment: &Segment,
    element: usize,
    name: &str,
    refused: &[(&str, &str)],
) -> Result<(), FormatError> {
    let purpose = segment.element(element);
    match refused.iter().find(|(code, _)| *code == purpose) {
        None => Ok(()),
        Some((code, what)) => Err(malformed(
            segment.number,
            format_args!("{name} is {code}: the message is {what}, not a report of stock"),
        )),
    }
}
