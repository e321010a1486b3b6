//! How the pages of a report over HTTP are requested.

/// How the pages of a report are requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOptions {
    /// How the next page is found.
    pub kind: PageKind,
    /// The place of the number of records on all pages.
    pub total: Option<PageTotal>,
}

impl PageOptions {
    /// Whether the end of the report, or the next page, depends on the number of records.
    #[must_use]
    pub fn counts_records(&self) -> bool {
        let is_by_count = matches!(self.kind, PageKind::Number { .. } | PageKind::Offset { .. });
        is_by_count || self.total.is_some()
    }
}

/// The place of the number of records on all pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageTotal {
    /// A field of each page: a JSON pointer or an XML path.
    Field(String),
    /// A header of each response.
    Header(String),
}

/// How the next page is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageKind {
    /// By the header `Link` with the relation `next` (RFC 8288).
    LinkHeader,
    /// By a link in the document.
    LinkBody {
        /// The field of the link.
        next: String,
    },
    /// By a cursor in the document.
    Cursor {
        /// The field of the cursor.
        next: String,
        /// The parameter of the query that receives it.
        param: String,
    },
    /// By its number.
    Number {
        /// The parameter of the query that receives it.
        param: String,
        /// The number of the first page.
        first: u64,
        /// The size of the pages.
        size: PageSize,
    },
    /// By the number of records before it.
    Offset {
        /// The parameter of the query that receives it.
        param: String,
        /// Whether the parameter receives the size of the pages too, after a comma.
        is_combined: bool,
        /// The size of the pages.
        size: PageSize,
    },
}

/// The number of records of each page but the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSize {
    /// The number, from 1.
    pub records: u64,
    /// The parameter of the query that receives it. `None`: the vendor knows it.
    pub param: Option<String>,
}
