//! XML documents.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde::Deserialize;

use super::{Report, Row, unused_name};

/// Options of an XML document. Paths consist of element names separated by `/`; the last may be an `@attribute`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Xml {
    /// Absolute path of the items.
    items: String,
    /// Paths from an item.
    product_id: String,
    quantity: String,
    /// Absolute path of the instant; not written if absent.
    as_of: Option<String>,
}

impl Default for Xml {
    fn default() -> Self {
        Self {
            items: "/stock/item".to_owned(),
            product_id: "sku".to_owned(),
            quantity: "quantity".to_owned(),
            as_of: None,
        }
    }
}

/// An element with its content.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Puts a text at a path below this element, and creates the elements in between. `.` is the element itself.
    fn set(&mut self, path: &str, text: &str) -> Result<(), String> {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        if name == "." && rest.is_empty() {
            text.clone_into(&mut self.text);
            return Ok(());
        }
        if let Some(attribute) = name.strip_prefix('@') {
            if !is_name(attribute) || !rest.is_empty() {
                return Err(format!("{path:?} is not the path of an attribute"));
            }
            self.attributes
                .push((attribute.to_owned(), text.to_owned()));
            return Ok(());
        }
        let rest = if rest.is_empty() { "." } else { rest };
        self.child(name)?.set(rest, text)
    }

    /// The child with this name, which is created if it does not exist.
    fn child(&mut self, name: &str) -> Result<&mut Self, String> {
        if !is_name(name) {
            return Err(format!("{name:?} is not the name of an element"));
        }
        let index = self.children.iter().position(|child| child.name == name);
        let index = index.unwrap_or_else(|| {
            self.children.push(Self::new(name));
            self.children.len() - 1
        });
        Ok(&mut self.children[index])
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let mut start = BytesStart::new(&self.name);
        for (name, value) in &self.attributes {
            start.push_attribute((name.as_str(), value.as_str()));
        }
        writer.write_event(Event::Start(start))?;
        writer.write_event(Event::Text(BytesText::new(&self.text)))?;
        for child in &self.children {
            child.write(writer)?;
        }
        writer.write_event(Event::End(BytesEnd::new(&self.name)))
    }
}

impl Xml {
    pub(super) fn write(&self, report: &Report) -> Result<String, String> {
        let problem = || {
            format!(
                "format.items is {:?}, expected a path such as \"/stock/item\"",
                self.items
            )
        };
        let path = self.items.strip_prefix('/').ok_or_else(problem)?;
        let (parents, item) = path.rsplit_once('/').ok_or_else(problem)?;
        let (root, inner) = parents.split_once('/').unwrap_or((parents, ""));
        if ![root, item].into_iter().all(is_name) {
            return Err(problem());
        }
        let mut document = Element::new(root);
        if let Some(as_of) = &self.as_of {
            let below = as_of
                .strip_prefix('/')
                .and_then(|path| path.strip_prefix(root));
            let below = below.and_then(|path| path.strip_prefix('/'));
            let below = below.ok_or_else(|| {
                format!("format.as_of is {as_of:?}, expected a path below /{root}")
            })?;
            document.set(below, &report.as_of.text)?;
        }
        let mut parent = &mut document;
        for name in inner.split('/').filter(|name| !name.is_empty()) {
            parent = parent.child(name)?;
        }
        for row in &report.rows {
            let element = self.item(item, row)?;
            parent.children.push(element);
        }
        let mut writer = Writer::new(Vec::new());
        let declaration = BytesDecl::new("1.0", Some(report.charset.as_str()), None);
        writer
            .write_event(Event::Decl(declaration))
            .and_then(|()| document.write(&mut writer))
            .map_err(|error| error.to_string())?;
        String::from_utf8(writer.into_inner()).map_err(|error| error.to_string())
    }

    fn item(&self, name: &str, row: &Row) -> Result<Element, String> {
        let mut item = Element::new(name);
        item.set(&self.product_id, &row.product_id)?;
        if let Some(name) = unused_name("title", &[&self.product_id, &self.quantity]) {
            // An element with a text of its own has no children.
            if item.text.is_empty() && self.quantity != "." {
                item.set(name, row.title.as_text())?;
            }
        }
        item.set(&self.quantity, row.quantity.as_text())?;
        Ok(item)
    }
}

/// Whether a text is a name without a prefix, of the letters that settings usually have.
fn is_name(name: &str) -> bool {
    let is_letter = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.');
    name.starts_with(|char: char| char.is_alphabetic() || char == '_')
        && name.chars().all(is_letter)
}
