//! The pages of a report: which one is next, and whether what was read so far is consistent.

use std::collections::HashSet;

use reqwest::Url;

use super::targets::{Step, Targets, set_param};
use crate::excerpt::excerpt;
use crate::options::{PageKind, PageOptions, PageSize, PageTotal};
use crate::page::PageContent;
use crate::record::{PageField, Value};

/// Maximum number of pages of a report.
pub(super) const MAX_PAGES: u64 = 10_000;
/// Maximum length of a cursor, in bytes.
const MAX_CURSOR_BYTES: usize = 4 * 1024;

/// A page that was read.
pub(super) struct ReadPage<'p> {
    pub(super) content: &'p PageContent,
    /// The links of the header `Link` with the relation `next`.
    pub(super) links: &'p [String],
    /// The number of records on all pages, as a header states it.
    pub(super) total: Option<&'p str>,
    /// Its URL, after redirects.
    pub(super) url: &'p Url,
}

/// The pages of one report.
pub(super) struct Sequence<'s> {
    options: &'s PageOptions,
    targets: &'s Targets,
    pages: u64,
    records: u64,
    total: Option<u64>,
    /// The cursors and links so far.
    visited: HashSet<String>,
    /// The digests of the records of each page so far.
    digests: HashSet<u64>,
}

impl<'s> Sequence<'s> {
    pub(super) fn new(options: &'s PageOptions, targets: &'s Targets) -> Self {
        Self {
            options,
            targets,
            pages: 0,
            records: 0,
            total: None,
            visited: HashSet::new(),
            digests: HashSet::new(),
        }
    }

    /// The number of pages that were read.
    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    /// The URL of the first page.
    pub(super) fn first(&mut self) -> Url {
        let mut url = self.targets.first().clone();
        match &self.options.kind {
            PageKind::Number {
                param, first, size, ..
            } => {
                set_param(&mut url, param, &first.to_string());
                set_size(&mut url, size);
            }
            PageKind::Offset {
                param,
                is_combined,
                size,
            } => {
                set_param(&mut url, param, &offset(0, *is_combined, size));
                set_size(&mut url, size);
            }
            PageKind::LinkHeader | PageKind::LinkBody { .. } | PageKind::Cursor { .. } => {}
        }
        self.visited.insert(url.as_str().to_owned());
        url
    }

    /// The URL of the page after one that was read; `None` after the last. The error is one line.
    pub(super) fn after(&mut self, page: &ReadPage<'_>) -> Result<Option<Url>, String> {
        let records = page.content.records;
        self.pages += 1;
        self.records += records;
        let is_complete = self.check_total(page)?;
        let next = if is_complete { None } else { self.next(page)? };
        match (&next, self.total) {
            (None, Some(total)) if self.records < total => {
                let (read, setting) = (self.records, self.total_setting());
                Err(format!(
                    "it is the last page, after {read} of {total} records ({setting})"
                ))
            }
            (None, _) if !is_complete && !page.links.is_empty() => Err(
                "it is the last page by source.pages, but the header Link has the relation next"
                    .to_owned(),
            ),
            (Some(_), _) if self.pages == MAX_PAGES => Err(format!(
                "there are more than {MAX_PAGES} pages, the maximum"
            )),
            _ => Ok(next),
        }
    }

    /// The name of the setting for the number of records on all pages.
    fn total_setting(&self) -> &'static str {
        match self.options.total {
            Some(PageTotal::Header(_)) => "source.pages.total_header",
            Some(PageTotal::Field(_)) | None => PageField::Total.setting(),
        }
    }

    /// Checks the number of records on all pages, and returns whether all of them were read.
    fn check_total(&mut self, page: &ReadPage<'_>) -> Result<bool, String> {
        let in_header = page
            .total
            .map_or(Value::Missing, |total| Value::Text(total.into()));
        let stated = match &self.options.total {
            None => return Ok(false),
            Some(PageTotal::Field(_)) => &page.content.total,
            Some(PageTotal::Header(_)) => &in_header,
        };
        let setting = self.total_setting();
        let total = match stated {
            Value::Number(digits) | Value::Text(digits) => digits.parse::<u64>().ok(),
            Value::Missing | Value::Other(_) => None,
        };
        let total = total.ok_or_else(|| {
            format!(
                "{setting} is {}, expected a number of records",
                shown(stated)
            )
        })?;
        if let Some(before) = self.total.replace(total).filter(|before| *before != total) {
            return Err(format!(
                "the number of records changed from {before} to {total} ({setting}): the report changed while it was read"
            ));
        }
        let read = self.records;
        if read > total {
            return Err(format!(
                "there are {read} records so far, more than the stated {total} ({setting})"
            ));
        }
        Ok(read == total)
    }

    fn next(&mut self, page: &ReadPage<'_>) -> Result<Option<Url>, String> {
        let options = self.options;
        let next = &page.content.next;
        match &options.kind {
            PageKind::LinkHeader => match page.links {
                [] => Ok(None),
                [link] => self.link(page.url, link),
                [first, others @ ..] if others.iter().all(|link| link == first) => {
                    self.link(page.url, first)
                }
                _ => Err("the header Link has several links with the relation next".to_owned()),
            },
            PageKind::LinkBody { .. } => match next {
                Value::Number(_) => Err(not_next(next, "a link")),
                _ => match marker(next)? {
                    Some(link) => self.link(page.url, link),
                    None => Ok(None),
                },
            },
            PageKind::Cursor { param, .. } => {
                let Some(cursor) = marker(next)? else {
                    return Ok(None);
                };
                if cursor.len() > MAX_CURSOR_BYTES {
                    return Err(format!(
                        "the cursor is longer than {MAX_CURSOR_BYTES} bytes"
                    ));
                }
                if !self.visited.insert(cursor.to_owned()) {
                    return Err(format!(
                        "the cursor of the next page is that of an earlier page: {} (source.pages.param is {param})",
                        excerpt(cursor)
                    ));
                }
                let mut url = self.targets.first().clone();
                set_param(&mut url, param, cursor);
                Ok(Some(url))
            }
            PageKind::Number {
                param, first, size, ..
            } => {
                let number = first.saturating_add(self.pages);
                self.counted(page, (param, number.to_string()), size)
            }
            PageKind::Offset {
                param,
                is_combined,
                size,
            } => {
                let offset = offset(self.records, *is_combined, size);
                self.counted(page, (param, offset), size)
            }
        }
    }

    /// The URL of a link that was not requested before.
    fn link(&mut self, from: &Url, link: &str) -> Result<Option<Url>, String> {
        let url = self.targets.follow(from, link, Step::Page)?;
        if !self.visited.insert(url.as_str().to_owned()) {
            return Err("the link to the next page is that of an earlier page".to_owned());
        }
        Ok(Some(url))
    }

    /// The next page of those that are counted.
    fn counted(
        &mut self,
        page: &ReadPage<'_>,
        (param, value): (&str, String),
        size: &PageSize,
    ) -> Result<Option<Url>, String> {
        let PageContent {
            records, digest, ..
        } = page.content;
        let expected = size.records;
        if *records > expected {
            return Err(format!(
                "it has {records} records, more than source.pages.size, which is {expected}"
            ));
        }
        if *records > 0 && !self.digests.insert(*digest) {
            return Err(format!(
                "it has the same records as an earlier page: the vendor ignores {param:?} (source.pages.param) or repeats its last page \
                 (source.pages.total states where the report ends)"
            ));
        }
        if *records < expected {
            let contradiction = match self.total {
                Some(total) => Some(format!("{} of {total} records were read", self.records)),
                None if !page.links.is_empty() => {
                    Some("the header Link has the relation next".to_owned())
                }
                None => None,
            };
            return match contradiction {
                Some(contradiction) => Err(format!(
                    "it has {records} records, fewer than source.pages.size, which is {expected}, but {contradiction}"
                )),
                None => Ok(None),
            };
        }
        let mut url = self.targets.first().clone();
        set_param(&mut url, param, &value);
        set_size(&mut url, size);
        Ok(Some(url))
    }
}

/// The value of the parameter that states how many records come before a page.
fn offset(records: u64, is_combined: bool, size: &PageSize) -> String {
    if is_combined {
        format!("{records},{}", size.records)
    } else {
        records.to_string()
    }
}

fn set_size(url: &mut Url, size: &PageSize) {
    if let Some(param) = &size.param {
        set_param(url, param, &size.records.to_string());
    }
}

/// The link or the cursor of the next page, if there is one.
fn marker<'v>(value: &'v Value<'_>) -> Result<Option<&'v str>, String> {
    match value {
        Value::Missing => Ok(None),
        Value::Other(shown) if matches!(shown.as_ref(), "null" | "false") => Ok(None),
        Value::Text(text) if text.is_empty() => Ok(None),
        Value::Text(text) | Value::Number(text) => Ok(Some(text)),
        Value::Other(_) => Err(not_next(value, "a text")),
    }
}

fn not_next(value: &Value<'_>, expected: &str) -> String {
    let setting = PageField::Next.setting();
    format!("{setting} is {}, expected {expected}", shown(value))
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Missing => "missing".to_owned(),
        Value::Text(text) => excerpt(&format!("{text:?}")),
        Value::Number(shown) | Value::Other(shown) => excerpt(shown),
    }
}

#[cfg(test)]
mod tests;
