//! How a report is divided into pages.

use std::ops::Range;

use serde::Deserialize;
use url::form_urlencoded;

use super::fault::Fault;
use crate::format::Node;

/// The names of the settings of the feed that reads the pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Pages {
    /// The header `Link` names the next page.
    LinkHeader {
        #[serde(default = "size")]
        size: usize,
        total: Option<String>,
    },
    /// A member of the document names the next page; `null` on the last.
    LinkBody {
        #[serde(default = "size")]
        size: usize,
        next: String,
        total: Option<String>,
    },
    /// A member of the document is the value of `param` for the next page; `null` on the last.
    Cursor {
        #[serde(default = "size")]
        size: usize,
        next: String,
        #[serde(default = "cursor")]
        param: String,
        total: Option<String>,
    },
    /// `param` is the number of the page.
    Page {
        #[serde(default = "page")]
        param: String,
        #[serde(default = "first")]
        first: usize,
        #[serde(default = "size")]
        size: usize,
        size_param: Option<String>,
        total: Option<String>,
    },
    /// `param` is the number of items before the page.
    Offset {
        #[serde(default = "offset")]
        param: String,
        #[serde(default = "size")]
        size: usize,
        size_param: Option<String>,
        total: Option<String>,
    },
}

fn size() -> usize {
    100
}

fn first() -> usize {
    1
}

fn page() -> String {
    "page".to_owned()
}

fn offset() -> String {
    "offset".to_owned()
}

fn cursor() -> String {
    "cursor".to_owned()
}

/// The parameter of the pages that are found by links.
const LINK_PARAM: &str = "page";

/// One page of a report.
#[derive(Debug)]
pub(crate) struct Page {
    /// The items of the page.
    pub(crate) range: Range<usize>,
    /// Members of the document besides the items.
    pub(crate) members: Vec<(String, Node)>,
    /// The value of `Link`.
    pub(crate) link: Option<String>,
}

impl Pages {
    pub(crate) fn has_total(&self) -> bool {
        self.total().is_some()
    }

    /// Whether a page names the next one.
    pub(crate) fn has_links(&self) -> bool {
        !matches!(self, Self::Page { .. } | Self::Offset { .. })
    }

    /// Why the options are invalid.
    pub(crate) fn problem(&self) -> Option<String> {
        (self.size(None) == 0).then(|| "pages.size is 0, expected 1 or more".to_owned())
    }

    fn total(&self) -> Option<&String> {
        match self {
            Self::LinkHeader { total, .. }
            | Self::LinkBody { total, .. }
            | Self::Cursor { total, .. }
            | Self::Page { total, .. }
            | Self::Offset { total, .. } => total.as_ref(),
        }
    }

    /// The size of a page; a smaller one may be requested.
    fn size(&self, requested: Option<usize>) -> usize {
        let size = match self {
            Self::LinkHeader { size, .. }
            | Self::LinkBody { size, .. }
            | Self::Cursor { size, .. }
            | Self::Page { size, .. }
            | Self::Offset { size, .. } => *size,
        };
        requested.map_or(size, |requested| requested.min(size))
    }

    /// Selects the page that a query requests of `count` items. `url` is that of the report. The error is about the query.
    pub(crate) fn select(
        &self,
        query: &str,
        count: usize,
        url: &str,
        fault: Option<&Fault>,
    ) -> Result<Page, String> {
        let number = |name: &str, prefix: &str| {
            let found = form_urlencoded::parse(query.as_bytes()).find(|pair| pair.0 == name);
            let Some((_, value)) = found else {
                return Ok(None);
            };
            let digits = value.strip_prefix(prefix).map(str::parse::<usize>);
            match digits {
                Some(Ok(number)) => Ok(Some(number)),
                _ => Err(format!("the parameter {name} is invalid")),
            }
        };
        let (start, size) = match self {
            Self::LinkHeader { .. } | Self::LinkBody { .. } => {
                let size = self.size(None);
                let page: usize = number(LINK_PARAM, "")?.unwrap_or(1);
                (page.saturating_sub(1).saturating_mul(size), size)
            }
            Self::Cursor { param, .. } => (number(param, "after-")?.unwrap_or(0), self.size(None)),
            Self::Page {
                param,
                first,
                size_param,
                ..
            } => {
                let requested = size_param.as_ref().map(|name| number(name, ""));
                let size = self.size(requested.transpose()?.flatten());
                let page: usize = number(param, "")?.unwrap_or(*first);
                (page.saturating_sub(*first).saturating_mul(size), size)
            }
            Self::Offset {
                param, size_param, ..
            } => {
                let requested = size_param.as_ref().map(|name| number(name, ""));
                let size = self.size(requested.transpose()?.flatten());
                (number(param, "")?.unwrap_or(0), size)
            }
        };
        let start = start.min(count);
        let end = start.saturating_add(size).min(count);
        let has_next = end < count && size > 0;
        let next = match fault {
            Some(Fault::SamePage {}) => Some(start),
            _ => has_next.then_some(end),
        };
        let shown = match fault {
            Some(Fault::ShortPage {}) if has_next => end - 1,
            _ => end,
        };
        let mut members = Vec::new();
        let mut link = None;
        let next_url = next.map(|next| format!("{url}?{LINK_PARAM}={}", next / size.max(1) + 1));
        let text = |text: Option<String>| match text {
            Some(text) => Node::text(&text),
            None => Node::raw(Node::NULL),
        };
        match self {
            Self::LinkHeader { .. } => link = next_url.map(|url| format!("<{url}>; rel=\"next\"")),
            Self::LinkBody { next, .. } => members.push((next.clone(), text(next_url)?)),
            Self::Cursor { next: name, .. } => {
                let cursor = next.map(|next| format!("after-{next}"));
                members.push((name.clone(), text(cursor)?));
            }
            Self::Page { .. } | Self::Offset { .. } => {}
        }
        if let Some(total) = self.total() {
            let is_changed = matches!(fault, Some(Fault::ChangedTotal {})) && start > 0;
            let shown = count + usize::from(is_changed);
            members.push((total.clone(), Node::raw(&shown.to_string())?));
        }
        Ok(Page {
            range: start..shown,
            members,
            link,
        })
    }
}
