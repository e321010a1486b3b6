//! The value of one field: the text of an element, or an attribute.

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
use quick_xml::name::NamespaceResolver;

use super::path::{Name, Path};
use crate::record::Value;

/// Maximum length of the text of a field, in bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Maximum number of attributes of an element that has a referenced one.
const MAX_ATTRIBUTES: usize = 256;

/// The start tag of an element, with the namespaces in scope.
#[derive(Clone, Copy)]
pub(super) struct Element<'e> {
    pub(super) tag: &'e BytesStart<'e>,
    pub(super) namespaces: &'e NamespaceResolver,
}

impl Element<'_> {
    pub(super) fn is(self, name: &Name) -> bool {
        let qname = self.tag.name();
        name.matches(qname.local_name().into_inner(), || {
            self.namespaces.resolve_element(qname).0
        })
    }

    /// The value of an attribute; an error is one line.
    fn attribute(self, name: &Name) -> Result<Option<String>, String> {
        let mut value = None;
        // All are read, so that a duplicate is found.
        for (index, attribute) in self.tag.attributes().enumerate() {
            if index == MAX_ATTRIBUTES {
                return Err(format!(
                    "<{}> has more than {MAX_ATTRIBUTES} attributes",
                    self.tag.name().0
                ));
            }
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = attribute.key;
            if key.as_namespace_binding().is_none()
                && name.matches(key.local_name().into_inner(), || {
                    self.namespaces.resolve_attribute(key).0
                })
            {
                let text = attribute
                    .normalized_value(XmlVersion::Implicit1_0)
                    .map_err(|error| format!("the attribute {}: {error}", key.0))?;
                value = Some(text.into_owned());
            }
        }
        Ok(value)
    }
}

/// Collects the value of a field while the document is read.
#[derive(Debug)]
pub(super) struct Capture<'p> {
    path: &'p Path,
    /// Depth of the element at which the path begins; 0 is the document.
    base: usize,
    /// Number of names of the path that match the elements that are open.
    matched: usize,
    text: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    /// Inside the element.
    Open,
    Complete,
    /// The element has child elements.
    Nested,
    /// The path matches more than once.
    Repeated,
}

impl<'p> Capture<'p> {
    pub(super) fn new(path: &'p Path, base: usize) -> Self {
        Self {
            path,
            base,
            matched: 0,
            text: String::new(),
            state: State::Missing,
        }
    }

    /// The element at which the path begins starts.
    pub(super) fn begin(&mut self, element: Element<'_>) -> Result<(), String> {
        self.matched = 0;
        self.text.clear();
        self.state = State::Missing;
        if self.path.names.is_empty() {
            self.reach(element)?;
        }
        Ok(())
    }

    /// An element starts inside; `depth` is its depth, 1 for the root.
    pub(super) fn enter(&mut self, depth: usize, element: Element<'_>) -> Result<(), String> {
        if self.state == State::Open {
            self.state = State::Nested;
        }
        let level = depth - self.base;
        let names = &self.path.names;
        if self.matched + 1 == level && names.get(self.matched).is_some_and(|name| element.is(name))
        {
            self.matched = level;
            if level == names.len() {
                self.reach(element)?;
            }
        }
        Ok(())
    }

    /// An element ends.
    pub(super) fn leave(&mut self, depth: usize) {
        let level = depth - self.base;
        if self.state == State::Open && level == self.path.names.len() {
            self.state = State::Complete;
        }
        if level > 0 && self.matched == level {
            self.matched -= 1;
        }
    }

    fn reach(&mut self, element: Element<'_>) -> Result<(), String> {
        let state = match &self.path.attribute {
            None => State::Open,
            Some(name) => match element.attribute(name)? {
                None => return Ok(()),
                Some(value) => {
                    self.push_if(self.state == State::Missing, &value)?;
                    State::Complete
                }
            },
        };
        self.state = match self.state {
            State::Missing => state,
            _ => State::Repeated,
        };
        Ok(())
    }

    /// Whether text belongs to the field.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// A text at the current place; an error is one line.
    pub(super) fn push(&mut self, text: &str) -> Result<(), String> {
        self.push_if(self.is_open(), text)
    }

    fn push_if(&mut self, is_wanted: bool, text: &str) -> Result<(), String> {
        if is_wanted {
            if self.text.len() + text.len() > MAX_TEXT_BYTES {
                return Err(format!("a field is longer than {MAX_TEXT_BYTES} bytes"));
            }
            self.text.push_str(text);
        }
        Ok(())
    }

    pub(super) fn value(&self) -> Value<'_> {
        match self.state {
            State::Missing => Value::Missing,
            State::Open | State::Complete => Value::Text(self.text.as_str().into()),
            State::Nested => Value::Other("an element with further elements".into()),
            State::Repeated => Value::Other("there more than once".into()),
        }
    }
}
