//! The beginning of a document, for messages: a vendor that responds with an error page, a notice or an error object shows
//! there what is wrong.

use std::io::{self, BufRead};

use crate::excerpt::excerpt;

/// Number of bytes that are looked at.
const MAX_BYTES: usize = 400;

/// The beginning of a text.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Without leading white space.
    text: String,
    /// Whether only a part of the text was looked at.
    is_cut: bool,
}

impl Beginning {
    /// Reads the beginning of `text`, without consuming it.
    pub(crate) fn of(text: &mut impl BufRead) -> io::Result<Self> {
        let start = text.fill_buf()?;
        let start = &start[..start.len().min(MAX_BYTES)];
        Ok(Self {
            text: String::from_utf8_lossy(start).trim_start().to_owned(),
            is_cut: start.len() == MAX_BYTES,
        })
    }

    /// The problem of a text that cannot be in a JSON format.
    pub(crate) fn problem(&self) -> Option<String> {
        match self.text.as_bytes().first() {
            None if self.is_cut => None,
            None => Some("the document is empty".to_owned()),
            Some(b'<') => Some(format!(
                "the document is HTML or XML, expected JSON; {self}"
            )),
            Some(_) => None,
        }
    }

    /// The problem of a text that is HTML, XML or JSON instead of `expected`.
    pub(crate) fn instead_of(&self, expected: &str) -> Option<String> {
        let is_tag = |char: char| char.is_ascii_alphabetic() || matches!(char, '!' | '?');
        let is_value = |char: char| matches!(char, '{' | '}' | '[' | ']' | '"');
        let found = if let Some(inside) = self.text.strip_prefix('<') {
            inside.starts_with(is_tag).then_some("HTML or XML")?
        } else {
            let inside = self.text.strip_prefix(['{', '['])?.trim_start();
            inside.starts_with(is_value).then_some("JSON")?
        };
        Some(format!(
            "the document is {found}, expected {expected}; {self}"
        ))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the text may be an object or a list.
    pub(crate) fn is_json(&self) -> bool {
        self.text.starts_with(['{', '['])
    }
}

impl std::fmt::Display for Beginning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it begins with {}", excerpt(&self.text))
    }
}
