//! The part of a feed that all sources share: how a transferred document becomes a report.

use std::sync::Arc;
use std::time::Duration;

use domain::guard::Guard;
use domain::identifiers::VendorId;

use super::{InvalidOptions, PushOptions};
use crate::format::{self, PageFields};
use crate::parser::Parser;

/// The part of a feed that does not depend on its source.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) vendor_id: VendorId,
    pub(super) parser: Arc<Parser>,
    pub(super) timeout: Duration,
    pub(super) lag: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) guard: Guard,
}

impl Reading {
    /// Creates the part from the options. `page_fields` are the fields in which documents state what their source needs for the next page.
    pub(super) fn new(
        options: PushOptions,
        page_fields: &PageFields,
    ) -> Result<Self, InvalidOptions> {
        let PushOptions {
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
        } = options;
        let format = format::format(&format, &fields, page_fields);
        let parser = Parser {
            decode,
            format: format.map_err(InvalidOptions::Option)?,
            fields,
            rules,
            kind,
        };
        Ok(Self {
            vendor_id,
            parser: Arc::new(parser),
            timeout,
            lag,
            max_age,
            guard,
        })
    }
}
