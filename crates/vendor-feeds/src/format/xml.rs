//! XML documents, read as a stream of tags and texts: of each item only the referenced fields are kept.
//!
//! Names match by local name or by namespace and local name, whatever the prefix. The text of a field is all text and all CDATA
//! of its element, with references resolved and white space kept; line breaks are `\n` (XML 1.0, 2.11). Only the five predefined
//! entities exist: a document with a DOCTYPE is refused, so that no entity can be defined. What no setting names is read past,
//! but its tags must be well-formed.

mod capture;
mod declaration;
mod limit;
mod messages;
mod path;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::ControlFlow;

use domain::timestamp::Timestamp;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::{Error, NsReader};

use self::capture::{Capture, Element};
use self::declaration::declared_charset;
use self::limit::EventLimit;
use self::messages::{is_html, namespace_hint, problem_of_doctype, reason};
use self::path::{Name, Path};
use super::{Format, FormatError, PageFields};
use crate::as_of::AsOf;
use crate::decode::Document;
use crate::excerpt::excerpt;
use crate::options::{Column, FieldOptions, XmlOptions};
use crate::record::{PageField, Place, Record, RecordSink, Unit, Value};

/// Maximum number of elements inside each other.
const MAX_DEPTH: usize = 128;

/// Reads XML documents.
#[derive(Debug)]
pub(crate) struct Xml {
    items: Vec<Name>,
    /// How messages name the items.
    items_name: String,
    /// The product id and the quantities.
    fields: Vec<Path>,
    as_of: Option<(Path, AsOf)>,
    page_fields: Vec<(PageField, Path)>,
}

impl Xml {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(options: &XmlOptions, fields: &FieldOptions) -> Result<Self, String> {
        let path = |setting: &str, column: &Column| match column {
            Column::Name(name) => Path::of_item(setting, name),
            Column::Number(number) => Err(format!(
                "{setting} is the column number {number}, expected a path such as stock/qty or @qty"
            )),
        };
        let mut paths = vec![path("fields.product_id", &fields.product_id.column)?];
        for column in &fields.quantity.columns {
            paths.push(path("fields.quantity", column)?);
        }
        let as_of = options.as_of.as_ref().map(|as_of| {
            let path = Path::of_document("format.as_of", &as_of.field)?;
            Ok::<_, String>((path, AsOf::new(as_of)?))
        });
        Ok(Self {
            items: Path::of_items(&options.items)?,
            items_name: options.items.clone(),
            fields: paths,
            as_of: as_of.transpose()?,
            page_fields: Vec::new(),
        })
    }

    /// Reads these fields, too. The error is a one-line description of the invalid option.
    pub(crate) fn with_page_fields(mut self, fields: &PageFields) -> Result<Self, String> {
        for (field, text) in fields.iter() {
            let path = Path::of_document(field.setting(), text)?;
            self.page_fields.push((field, path));
        }
        Ok(self)
    }
}

impl Format for Xml {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let text = document.into_text(declared_charset)?;
        let mut reader = NsReader::from_reader(EventLimit::new(text));
        let mut run = Run::new(self);
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            reader.get_mut().reset();
            let line = reader.get_ref().line();
            let event = reader.read_event_into(&mut buffer);
            let malformed = |problem| FormatError::Malformed(format!("line {line}: {problem}"));
            let event = event.map_err(|error| match error {
                Error::Io(error) => io::Error::new(error.kind(), error.to_string()).into(),
                other => malformed(reason(&other)),
            })?;
            if let Event::Eof = event {
                break;
            }
            let flow = run.take(&event, &reader, records).map_err(malformed)?;
            if flow.is_break() {
                return Ok(None);
            }
        }
        run.finish(records)
    }
}

/// One document while it is read.
struct Run<'f> {
    format: &'f Xml,
    /// Number of open elements.
    depth: usize,
    /// Number of names of the path of the items that match the open elements, and the highest such number.
    matched: usize,
    reached: usize,
    has_begun: bool,
    has_root: bool,
    items: u64,
    fields: Vec<Capture<'f>>,
    as_of: Option<Capture<'f>>,
    page_values: Vec<Capture<'f>>,
}

impl<'f> Run<'f> {
    fn new(format: &'f Xml) -> Self {
        let base = format.items.len();
        let fields = format.fields.iter().map(|path| Capture::new(path, base));
        let as_of = format.as_of.as_ref();
        let page_fields = format.page_fields.iter();
        Self {
            format,
            depth: 0,
            matched: 0,
            reached: 0,
            has_begun: false,
            has_root: false,
            items: 0,
            fields: fields.collect(),
            as_of: as_of.map(|(path, _)| Capture::new(path, 0)),
            page_values: page_fields.map(|(_, path)| Capture::new(path, 0)).collect(),
        }
    }

    /// Takes an event; an error is one line.
    fn take<R>(
        &mut self,
        event: &Event<'_>,
        reader: &NsReader<R>,
        records: &mut dyn RecordSink,
    ) -> Result<ControlFlow<()>, String> {
        let mut flow = ControlFlow::Continue(());
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                self.start(Element {
                    tag,
                    namespaces: reader.resolver(),
                })?;
                if let Event::Empty(_) = event {
                    flow = self.end(records);
                }
            }
            Event::End(_) => flow = self.end(records),
            Event::Text(text) => {
                if self.depth == 0 {
                    self.check_outer_text(text)?;
                } else if self.is_text_wanted() {
                    // What is left of a CDATA section that had this in it.
                    if text.contains("]]>") {
                        return Err("]]> in a text".to_owned());
                    }
                    self.push(&text.xml10_content())?;
                }
            }
            Event::CData(text) => {
                self.check_is_inside("a CDATA section")?;
                if self.is_text_wanted() {
                    self.push(&text.xml10_content())?;
                }
            }
            Event::GeneralRef(reference) => {
                self.check_is_inside("a reference")?;
                if self.is_text_wanted() {
                    let mut utf_8 = [0; 4];
                    self.push(resolve(reference, &mut utf_8)?)?;
                }
            }
            Event::DocType(name) => return Err(problem_of_doctype(name)),
            Event::Decl(_) if self.has_begun => {
                return Err("a second XML document begins".to_owned());
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => {}
        }
        self.has_begun |= !matches!(event, Event::Text(_));
        Ok(flow)
    }

    fn start(&mut self, element: Element<'_>) -> Result<(), String> {
        let items = &self.format.items;
        if self.depth == 0 {
            self.check_root(element)?;
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} elements inside each other"));
        }
        for capture in self.as_of.iter_mut().chain(&mut self.page_values) {
            capture.enter(self.depth, element)?;
        }
        if self.matched == items.len() {
            for field in &mut self.fields {
                field.enter(self.depth, element)?;
            }
        } else if self.matched + 1 == self.depth && element.is(&items[self.matched]) {
            self.matched = self.depth;
            self.reached = self.reached.max(self.matched);
            if self.matched == items.len() {
                for field in &mut self.fields {
                    field.begin(element)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, records: &mut dyn RecordSink) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        for capture in self.as_of.iter_mut().chain(&mut self.page_values) {
            capture.leave(self.depth);
        }
        if self.matched == self.format.items.len() {
            for field in &mut self.fields {
                field.leave(self.depth);
            }
            if self.depth == self.matched {
                flow = self.emit(records);
            }
        }
        if self.matched == self.depth {
            self.matched -= 1;
        }
        self.depth -= 1;
        flow
    }

    fn emit(&mut self, records: &mut dyn RecordSink) -> ControlFlow<()> {
        self.items += 1;
        let mut values = self.fields.iter().map(Capture::value);
        let product_id = values.next().unwrap_or(Value::Missing);
        let quantities: Vec<Value<'_>> = values.collect();
        records.take(&Record {
            place: Place {
                unit: Unit::Item,
                number: self.items,
            },
            product_id,
            quantities: &quantities,
        })
    }

    fn is_text_wanted(&self) -> bool {
        let outside = self.as_of.iter().chain(&self.page_values);
        let mut captures = self.fields.iter().chain(outside);
        captures.any(Capture::is_open)
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        let outside = self.as_of.iter_mut().chain(&mut self.page_values);
        let mut captures = self.fields.iter_mut().chain(outside);
        captures.try_for_each(|capture| capture.push(text))
    }

    fn check_is_inside(&self, what: &str) -> Result<(), String> {
        match self.depth {
            0 => Err(format!("{what} outside of the root element")),
            _ => Ok(()),
        }
    }

    fn check_outer_text(&self, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let text = excerpt(text);
        Err(if self.has_root {
            format!("text behind the root element: {text}")
        } else {
            format!("expected an XML document, found {text}")
        })
    }

    fn check_root(&mut self, element: Element<'_>) -> Result<(), String> {
        let found = excerpt(element.tag.name().0);
        if self.has_root {
            return Err(format!("a second root element: <{found}>"));
        }
        self.has_root = true;
        let expected = &self.format.items[0];
        if element.is(expected) {
            return Ok(());
        }
        if is_html(element.tag) {
            return Err("the document is an HTML page, expected XML".to_owned());
        }
        let items = &self.format.items_name;
        let namespace = match namespace_hint(element) {
            Some(namespace) => format!(" of the namespace {namespace}"),
            None => String::new(),
        };
        Err(format!(
            "the root element is <{found}>{namespace}, expected <{expected}> (format.items is {items})"
        ))
    }

    fn finish(self, records: &mut dyn RecordSink) -> Result<Option<Timestamp>, FormatError> {
        let Self { format, .. } = self;
        let malformed = |problem: String| Err(FormatError::Malformed(problem));
        if self.depth > 0 {
            return malformed("the document ends inside an element: it is truncated".to_owned());
        }
        if !self.has_root {
            return malformed("the document has no element".to_owned());
        }
        // A list without items is a report without products; a list that is not there is another document.
        if self.reached + 1 < format.items.len() {
            let missing = &format.items[self.reached];
            let items = &format.items_name;
            let parent = &format.items[self.reached - 1];
            return malformed(format!(
                "<{parent}> has no <{missing}>, so the list is not there (format.items is {items})"
            ));
        }
        for ((field, _), capture) in format.page_fields.iter().zip(&self.page_values) {
            records.state(*field, capture.value());
        }
        let (Some((_, as_of)), Some(capture)) = (&format.as_of, &self.as_of) else {
            return Ok(None);
        };
        match as_of.read(&capture.value()) {
            Ok(as_of) => Ok(Some(as_of)),
            Err(problem) => malformed(problem),
        }
    }
}

/// The text of a reference to a character or to a predefined entity.
fn resolve<'t>(reference: &BytesRef<'_>, utf_8: &'t mut [u8; 4]) -> Result<&'t str, String> {
    let shown = || excerpt(reference);
    match reference.resolve_char_ref() {
        Ok(Some(char)) => Ok(char.encode_utf8(utf_8)),
        Ok(None) => resolve_xml_entity(reference)
            .ok_or_else(|| format!("the entity &{}; is not one of XML's five", shown())),
        Err(_) => Err(format!("&{}; is not a character", shown())),
    }
}
