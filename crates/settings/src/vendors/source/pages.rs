//! `pages` of sources over HTTP.

use feed_options::{PageKind, PageOptions, PageSize, PageTotal};
use serde::{Deserialize, Deserializer};

use super::super::format::FormatType;
use super::super::{Problem, problem};
use super::http_auth::is_token;
use crate::fields;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageType {
    LinkHeader,
    LinkBody,
    Cursor,
    Page,
    Offset,
}

const TYPES: [(&str, PageType); 5] = [
    ("link_header", PageType::LinkHeader),
    ("link_body", PageType::LinkBody),
    ("cursor", PageType::Cursor),
    ("page", PageType::Page),
    ("offset", PageType::Offset),
];

impl PageType {
    fn name(self) -> &'static str {
        let found = TYPES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }

    fn default_param(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Offset => "offset",
            Self::LinkHeader | Self::LinkBody | Self::Cursor => "cursor",
        }
    }
}

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct PagesTable {
    #[serde(rename = "type", deserialize_with = "page_type")]
    kind: Option<PageType>,
    #[serde(deserialize_with = "fields::optional_string")]
    next: Option<String>,
    #[serde(deserialize_with = "fields::optional_string")]
    param: Option<String>,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 0, 1_000_000>")]
    first: Option<u64>,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 1, 1_000_000>")]
    size: Option<u64>,
    #[serde(deserialize_with = "fields::optional_string")]
    size_param: Option<String>,
    #[serde(deserialize_with = "fields::optional_boolean")]
    combined: Option<bool>,
    #[serde(deserialize_with = "fields::optional_string")]
    total: Option<String>,
    #[serde(deserialize_with = "fields::optional_string")]
    total_header: Option<String>,
}

impl PagesTable {
    /// Validates the table; `format` is the format of the pages.
    pub(super) fn check(self, format: FormatType) -> Result<PageOptions, Problem> {
        let Some(kind) = self.kind else {
            return Err(problem("source.pages", "type is missing"));
        };
        self.check_type(kind)?;
        for (name, field) in [("next", &self.next), ("total", &self.total)] {
            if let Some(field) = field {
                check_field(&format!("source.pages.{name}"), field, format)?;
            }
        }
        let param = self
            .param
            .clone()
            .unwrap_or_else(|| kind.default_param().to_owned());
        if self.size_param.as_ref() == Some(&param) {
            let text = "is also source.pages.param, expected another parameter";
            return Err(problem("source.pages.size_param", text));
        }
        let is_combined = self.combined.unwrap_or_default();
        if is_combined && self.size_param.is_some() {
            let text = "is set, but source.pages.combined is true: param has the size too";
            return Err(problem("source.pages.size_param", text));
        }
        let total = self.total()?;
        let next = || required("next", "the field of the next page", self.next.clone());
        let size = || {
            Ok::<_, Problem>(PageSize {
                records: required("size", "the number of records of a full page", self.size)?,
                param: self.size_param.clone(),
            })
        };
        Ok(PageOptions {
            kind: match kind {
                PageType::LinkHeader => PageKind::LinkHeader,
                PageType::LinkBody => PageKind::LinkBody { next: next()? },
                PageType::Cursor => PageKind::Cursor {
                    next: next()?,
                    param,
                },
                PageType::Page => PageKind::Number {
                    param,
                    first: self.first.unwrap_or(1),
                    size: size()?,
                },
                PageType::Offset => PageKind::Offset {
                    param,
                    is_combined,
                    size: size()?,
                },
            },
            total,
        })
    }

    /// The place of the number of records on all pages.
    fn total(&self) -> Result<Option<PageTotal>, Problem> {
        Ok(match (&self.total, &self.total_header) {
            (None, None) => None,
            (Some(field), None) => Some(PageTotal::Field(field.clone())),
            (None, Some(name)) if is_token(name) => Some(PageTotal::Header(name.clone())),
            (None, Some(name)) => {
                let found = fields::quoted(name);
                let text = format!("is {found}, expected the name of a header");
                return Err(problem("source.pages.total_header", text));
            }
            (Some(_), Some(_)) => {
                let text = "is set, and total too, expected one of the two";
                return Err(problem("source.pages.total_header", text));
            }
        })
    }

    /// Refuses settings of another type.
    fn check_type(&self, kind: PageType) -> Result<(), Problem> {
        use PageType::{Cursor, LinkBody, Offset, Page};
        let settings: [(&str, bool, &[PageType]); 6] = [
            ("next", self.next.is_some(), &[LinkBody, Cursor]),
            ("param", self.param.is_some(), &[Cursor, Page, Offset]),
            ("first", self.first.is_some(), &[Page]),
            ("size", self.size.is_some(), &[Page, Offset]),
            ("size_param", self.size_param.is_some(), &[Page, Offset]),
            ("combined", self.combined.is_some(), &[Offset]),
        ];
        for (name, is_set, types) in settings {
            if is_set && !types.contains(&kind) {
                let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
                let text = format!(
                    "is a setting of the type {}, but source.pages.type is {:?}",
                    names.join(" and "),
                    kind.name()
                );
                return Err(problem(format!("source.pages.{name}"), text));
            }
        }
        Ok(())
    }
}

/// Refuses pages with a parameter of the query that is the credential.
pub(super) fn refuse_secret_param(pages: &PageOptions, secret: &str) -> Result<(), Problem> {
    let params = match &pages.kind {
        PageKind::LinkHeader | PageKind::LinkBody { .. } => [None, None],
        PageKind::Cursor { param, .. } => [Some(param), None],
        PageKind::Number { param, size, .. } | PageKind::Offset { param, size, .. } => {
            [Some(param), size.param.as_ref()]
        }
    };
    for (name, param) in ["param", "size_param"].into_iter().zip(params) {
        if param.is_some_and(|param| param == secret) {
            let text = "is also source.auth.name, expected another parameter";
            return Err(problem(format!("source.pages.{name}"), text));
        }
    }
    Ok(())
}

fn required<T>(name: &str, meaning: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| {
        problem(
            "source.pages",
            format!("{name} is missing, expected {meaning}"),
        )
    })
}

/// Checks a field of a document outside of its items.
fn check_field(name: &str, text: &str, format: FormatType) -> Result<(), Problem> {
    match format {
        FormatType::Json => {
            let parsed = fields::parse_json_pointer(text);
            parsed.map(drop).map_err(|text| problem(name, text))
        }
        FormatType::Xml if text.starts_with('/') => Ok(()),
        FormatType::Xml => {
            let found = fields::quoted(text);
            let text = format!("is {found}, expected an absolute path such as /stock/@next");
            Err(problem(name, text))
        }
        _ => {
            let text = format!(
                "is a field of a JSON or an XML document, but format.type is {:?}",
                format.name()
            );
            Err(problem(name, text))
        }
    }
}

fn page_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PageType>, D::Error> {
    fields::one_of(deserializer, &TYPES).map(Some)
}
