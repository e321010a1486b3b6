//! Messages about documents that are not as expected.

use quick_xml::Error;
use quick_xml::errors::IllFormedError;
use quick_xml::events::BytesStart;
use quick_xml::name::{Namespace, ResolveResult};

use super::capture::Element;
use crate::excerpt::excerpt;

/// Maximum length of an error message of the parser that is passed on, in characters.
const MAX_REASON_CHARS: usize = 200;

/// The reason of an error of the parser, on one line.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::IllFormed(IllFormedError::UnclosedReference) => {
            "an & that begins no reference (as text it is written &amp;)".to_owned()
        }
        other => log_text::excerpt(&other.to_string(), MAX_REASON_CHARS),
    }
}

/// Whether a tag is that of an HTML page.
pub(super) fn is_html(tag: &BytesStart<'_>) -> bool {
    tag.local_name().into_inner().eq_ignore_ascii_case("html")
}

/// The namespace of an element, for messages.
pub(super) fn namespace_hint(element: Element<'_>) -> Option<String> {
    match element.namespaces.resolve_element(element.tag.name()).0 {
        ResolveResult::Bound(Namespace(namespace)) => Some(excerpt(namespace)),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
    }
}

/// The problem of a document with a DOCTYPE of this name.
pub(super) fn problem_of_doctype(name: &str) -> String {
    let name = name.trim_start();
    let is_html = name
        .get(..4)
        .is_some_and(|name| name.eq_ignore_ascii_case("html"));
    if is_html {
        "the document is an HTML page, expected XML".to_owned()
    } else {
        format!("a DOCTYPE is not accepted: {}", excerpt(name))
    }
}
