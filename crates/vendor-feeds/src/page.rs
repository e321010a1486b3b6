//! The content of a page that was read, for the source that requests the next one.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::ports::{FeedError, MalformedReport};

use crate::record::{PageField, Record, RecordSink, Value};

/// The content of a page, apart from its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageContent {
    /// The number of its records.
    pub(crate) records: u64,
    /// A digest of its records: equal for pages with the same ones.
    pub(crate) digest: u64,
    /// The link or the cursor of the next page, as the document states it.
    pub(crate) next: Value<'static>,
    /// The number of records on all pages, as the document states it.
    pub(crate) total: Value<'static>,
}

/// Passes records on, and collects the content of the page. Takes no more records after the work was cancelled.
pub(crate) struct PageReader<'r> {
    records: &'r mut dyn RecordSink,
    is_cancelled: &'r AtomicBool,
    count: u64,
    /// `None` if the document is no page.
    digest: Option<DefaultHasher>,
    next: Value<'static>,
    total: Value<'static>,
}

impl<'r> PageReader<'r> {
    pub(crate) fn new(
        records: &'r mut dyn RecordSink,
        is_cancelled: &'r AtomicBool,
        is_page: bool,
    ) -> Self {
        Self {
            records,
            is_cancelled,
            count: 0,
            digest: is_page.then(DefaultHasher::new),
            next: Value::Missing,
            total: Value::Missing,
        }
    }

    pub(crate) fn content(self) -> PageContent {
        PageContent {
            records: self.count,
            digest: self.digest.map_or(0, |digest| digest.finish()),
            next: self.next,
            total: self.total,
        }
    }
}

impl RecordSink for PageReader<'_> {
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        self.count += 1;
        if let Some(digest) = &mut self.digest {
            (&record.product_id, record.quantities).hash(digest);
        }
        self.records.take(record)
    }

    fn state(&mut self, field: PageField, value: Value<'_>) {
        match field {
            PageField::Next => self.next = value.into_owned(),
            PageField::Total => self.total = value.into_owned(),
        }
    }
}

/// Adds the number of a page to an error.
pub(crate) fn of_page(page: Option<u64>, error: FeedError) -> FeedError {
    match page {
        Some(page) => on_page(page, error),
        None => error,
    }
}

/// As [`of_page`].
pub(crate) fn on_page(page: u64, error: FeedError) -> FeedError {
    let on_page = |text: String| format!("page {page}: {text}");
    match error {
        FeedError::Unavailable(text) => FeedError::Unavailable(on_page(text)),
        FeedError::Malformed(malformed) => FeedError::Malformed(MalformedReport {
            problem: on_page(malformed.problem),
            ..malformed
        }),
        FeedError::NotReady(text) => FeedError::NotReady(on_page(text)),
        // Files have no pages.
        error @ FeedError::OfFile { .. } => error,
        FeedError::RetryLater {
            reason,
            retry_after,
        } => FeedError::RetryLater {
            reason: on_page(reason),
            retry_after,
        },
    }
}
