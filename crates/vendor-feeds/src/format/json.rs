//! JSON documents (RFC 8259), read as a stream: of each item only the referenced values are kept.

mod beginning;
mod descent;
mod fields;
mod items;
mod literal;
#[cfg(test)]
mod tests;
mod visit;

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use domain::timestamp::Timestamp;
use serde::de::DeserializeSeed as _;

pub(crate) use self::beginning::Beginning;
use self::descent::Descent;
use self::fields::{Fields, Paths, Segments, Slot, array_index, parse_pointer};
use self::items::Run;
use crate::as_of::AsOf;
use crate::decode::{Document, invalid};
use crate::format::{Format, FormatError, PageFields};
use crate::options::{Column, FieldOptions, JsonItems, JsonOptions};
use crate::record::{PageField, Place, Record, RecordSink, Value};

/// Maximum length of a JSON error message that is passed on, in characters.
const MAX_REASON_CHARS: usize = 200;
/// Maximum number of bytes of an item, and between two referenced values outside of the items. It bounds the memory for a
/// single value.
const MAX_ITEM_BYTES: u64 = 16 * 1024 * 1024;
/// Size of the read buffer, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads JSON documents.
#[derive(Debug)]
pub(crate) struct Json {
    items: Segments,
    /// How messages name the items.
    items_name: String,
    items_are: JsonItems,
    item: ItemFields,
    as_of: Option<DocumentAsOf>,
    page_fields: Vec<(PageField, Segments)>,
}

/// The as-of of a document.
#[derive(Debug)]
struct DocumentAsOf {
    format: AsOf,
    place: AsOfPlace,
}

/// Where the as-of is.
#[derive(Debug)]
enum AsOfPlace {
    /// Outside of the items.
    Outside(Segments),
    /// In the item with this name, or index; of a single item the name is not used.
    InItem(String, ItemFields),
}

/// The referenced values of an item: the slots are the product id, the quantities, and the as-of if it is there.
#[derive(Debug, Clone)]
pub(crate) struct ItemFields {
    paths: Paths,
    quantities: usize,
    slots: usize,
}

impl ItemFields {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(fields: &FieldOptions, items_are: JsonItems) -> Result<Self, String> {
        let mut paths = Paths::default();
        if items_are != JsonItems::Map {
            let column = &fields.product_id.column;
            paths.insert(&segments("fields.product_id", column)?, 0)?;
        }
        let mut slots = 1;
        for column in &fields.quantity.columns {
            paths.insert(&segments("fields.quantity", column)?, slots)?;
            slots += 1;
        }
        Ok(Self {
            paths,
            quantities: slots - 1,
            slots,
        })
    }

    /// These fields and the as-of.
    fn with_as_of(mut self, segments: &[String]) -> Result<Self, String> {
        self.paths.insert(segments, self.slots)?;
        self.slots += 1;
        Ok(self)
    }

    pub(crate) fn quantities(&self) -> usize {
        self.quantities
    }

    pub(crate) fn empty_slots(&self) -> Slots {
        Slots((0..self.slots).map(|_| Slot::Missing).collect())
    }

    /// Reads an item from a JSON text.
    pub(crate) fn read(&self, text: &[u8], slots: &mut Slots) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        self.seed(slots).deserialize(&mut deserializer)?;
        deserializer.end()
    }

    fn seed<'p, 's>(&'p self, slots: &'s mut Slots) -> Fields<'p, 's> {
        Fields {
            paths: &self.paths,
            slots: &mut slots.0,
        }
    }
}

fn segments(setting: &str, column: &Column) -> Result<Segments, String> {
    match column {
        Column::Name(pointer) => parse_pointer(setting, pointer),
        Column::Number(number) => Err(format!(
            "{setting} is the column number {number}, expected a JSON pointer"
        )),
    }
}

/// The values of one item.
#[derive(Debug)]
pub(crate) struct Slots(Vec<Slot>);

impl Slots {
    /// Passes the record on. `name` is the product id, if it is not a value of the item.
    /// `quantities` is the number of quantities.
    pub(crate) fn pass_to(
        &mut self,
        records: &mut dyn RecordSink,
        place: Place,
        name: Option<Value<'_>>,
        quantities: usize,
    ) -> std::ops::ControlFlow<()> {
        let product_id = name.unwrap_or_else(|| self.0[0].value());
        let values: Vec<Value<'_>> = self.0[1..=quantities].iter().map(Slot::value).collect();
        let flow = records.take(&Record {
            place,
            product_id,
            quantities: &values,
        });
        self.0.fill_with(Slot::default);
        flow
    }
}

impl Json {
    /// The error is a one-line description of the invalid option.
    pub(crate) fn new(options: &JsonOptions, fields: &FieldOptions) -> Result<Self, String> {
        let JsonOptions {
            items,
            items_are,
            as_of,
        } = options;
        let items_name = match items.as_str() {
            "" => "the document",
            items => items,
        };
        let items = parse_pointer("format.items", items)?;
        let item = ItemFields::new(fields, *items_are)?;
        let as_of = as_of.as_ref().map(|options| {
            let segments = parse_pointer("format.as_of", &options.field)?;
            let place = as_of_place(segments, &items, *items_are, &item)
                .ok_or("format.as_of contains the items, or is one")?;
            let format = AsOf::new(options)?;
            Ok::<_, String>(DocumentAsOf { format, place })
        });
        Ok(Self {
            items_name: items_name.to_owned(),
            items_are: *items_are,
            item,
            as_of: as_of.transpose()?,
            items,
            page_fields: Vec::new(),
        })
    }

    /// Reads these fields, too. The error is a one-line description of the invalid option.
    pub(crate) fn with_page_fields(mut self, fields: &PageFields) -> Result<Self, String> {
        for (field, pointer) in fields.iter() {
            let setting = field.setting();
            let segments = parse_pointer(setting, pointer)?;
            let as_of = match self.as_of.as_ref().map(|as_of| &as_of.place) {
                Some(AsOfPlace::Outside(segments)) => Some(segments),
                _ => None,
            };
            let overlaps =
                |other: &Segments| segments.starts_with(other) || other.starts_with(&segments);
            let others = self.page_fields.iter().map(|(_, segments)| segments);
            let is_inside = others.chain(as_of).chain([&self.items]).any(overlaps);
            if is_inside {
                return Err(format!(
                    "{setting} is {pointer:?}, which contains the items or another field, or is inside it"
                ));
            }
            self.page_fields.push((field, segments));
        }
        Ok(self)
    }

    fn read_text(
        &self,
        text: impl Read,
        beginning: &Beginning,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let fence = Fence(Rc::new(Cell::new(MAX_ITEM_BYTES)));
        let fenced = Fenced {
            text,
            fence: fence.clone(),
        };
        let reader = BufReader::with_capacity(BUFFER_BYTES, fenced);
        let mut deserializer = serde_json::Deserializer::from_reader(reader);
        let mut run = Run::new(self, records, fence);
        let read = Descent::new(&mut run, self)
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        if run.is_stopped {
            return Ok(None);
        }
        if let Some(problem) = run.problem {
            return Err(FormatError::Malformed(format!("{problem}; {beginning}")));
        }
        read.map_err(|error| syntax_error(error, beginning))?;
        if !run.has_items {
            return Err(FormatError::Malformed(format!(
                "{} is missing, expected {}; {beginning}",
                self.items_name,
                items::expected(self.items_are)
            )));
        }
        run.pass_page_fields();
        let as_of = self.as_of.as_ref();
        let as_of = as_of.map(|as_of| as_of.format.read(&run.as_of.value()));
        as_of.transpose().map_err(FormatError::Malformed)
    }
}

/// Returns the place of the as-of; `None` if it contains the items or is one of them.
fn as_of_place(
    segments: Segments,
    items: &[String],
    items_are: JsonItems,
    item: &ItemFields,
) -> Option<AsOfPlace> {
    let Some(inside) = segments.strip_prefix(items) else {
        return (!items.starts_with(&segments)).then_some(AsOfPlace::Outside(segments));
    };
    let (name, inside) = if items_are == JsonItems::Single {
        (String::new(), inside)
    } else {
        let (name, inside) = inside.split_first()?;
        (name.clone(), inside)
    };
    let fields = item.clone().with_as_of(inside).ok()?;
    Some(AsOfPlace::InItem(name, fields))
}

/// Describes an error of the parser.
pub(crate) fn syntax_error(error: serde_json::Error, beginning: &Beginning) -> FormatError {
    if error.is_io() {
        return FormatError::Read(error.into());
    }
    let reason = log_text::excerpt(&error.to_string(), MAX_REASON_CHARS);
    FormatError::Malformed(if beginning.is_json() {
        format!("invalid JSON: {reason}")
    } else {
        format!("invalid JSON: {reason}; {beginning}")
    })
}

impl Format for Json {
    fn read(
        &self,
        document: Document,
        records: &mut dyn RecordSink,
    ) -> Result<Option<Timestamp>, FormatError> {
        let mut text = document.into_text(|_| None)?;
        let beginning = Beginning::of(&mut text)?;
        match beginning.problem() {
            Some(problem) => Err(FormatError::Malformed(problem)),
            None => self.read_text(text, &beginning, records),
        }
    }
}

/// Number of bytes that may still be read until it is renewed.
#[derive(Debug, Clone)]
struct Fence(Rc<Cell<u64>>);

impl Fence {
    fn renew(&self) {
        self.0.set(MAX_ITEM_BYTES);
    }
}

struct Fenced<R> {
    text: R,
    fence: Fence,
}

impl<R: Read> Read for Fenced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.text.read(buffer)?;
        let left = self.fence.0.get().checked_sub(length as u64);
        self.fence.0.set(left.ok_or_else(|| {
            invalid(format!(
                "more than {MAX_ITEM_BYTES} bytes of JSON without the end of an item"
            ))
        })?);
        Ok(length)
    }
}
