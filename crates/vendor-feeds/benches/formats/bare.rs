//! Reads a file with the bare library of its format, as one would in a few lines: with its defaults, without limits and rules.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use calamine::{DataRef, Reader as _, Xlsx};
use domain::identifiers::ProductId;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Takes the rows.
pub(crate) trait Sink {
    fn take(&mut self, sku: &str, qty: &str);

    /// The number of rows.
    fn rows(&self) -> usize;
}

/// Collects what a report has.
#[derive(Default)]
pub(crate) struct Map(BTreeMap<ProductId, u32>);

impl Sink for Map {
    fn take(&mut self, sku: &str, qty: &str) {
        let product_id = ProductId::parse(sku.to_owned()).unwrap();
        self.0.insert(product_id, qty.parse().unwrap());
    }

    fn rows(&self) -> usize {
        self.0.len()
    }
}

/// Counts.
#[derive(Default)]
pub(crate) struct Count {
    rows: usize,
    bytes: usize,
}

impl Sink for Count {
    fn take(&mut self, sku: &str, qty: &str) {
        self.rows += 1;
        self.bytes += sku.len() + qty.len();
    }

    fn rows(&self) -> usize {
        std::hint::black_box(self.bytes);
        self.rows
    }
}

/// Returns the number of rows.
pub(crate) fn read(format: &str, path: &Path, mut sink: impl Sink) -> usize {
    let file = BufReader::with_capacity(64 * 1024, File::open(path).unwrap());
    match format {
        "json" => json(file, &mut sink),
        "ndjson" => ndjson(file, &mut sink),
        "csv" => csv(file, &mut sink),
        "xml" => xml(file, &mut sink),
        "xlsx" => xlsx(file, &mut sink),
        "x12" => edi(file, b'~', '*', &mut sink),
        "edifact" => edi(file, b'\'', '+', &mut sink),
        other => panic!("no format {other}"),
    }
    sink.rows()
}

#[derive(Deserialize)]
struct Item<'t> {
    sku: std::borrow::Cow<'t, str>,
    qty: u32,
}

fn take_item(item: &Item<'_>, sink: &mut impl Sink) {
    sink.take(&item.sku, &item.qty.to_string());
}

/// The items one by one, as the documentation of serde shows ("Deserializing a stream of array elements").
fn json(file: impl BufRead, sink: &mut impl Sink) {
    struct Items<'s, S>(&'s mut S);

    impl<'de, S: Sink> serde::de::DeserializeSeed<'de> for Items<'_, S> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_seq(self)
        }
    }

    impl<'de, S: Sink> Visitor<'de> for Items<'_, S> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
            while let Some(item) = items.next_element::<Item<'_>>()? {
                take_item(&item, self.0);
            }
            Ok(())
        }
    }

    struct Document<'s, S>(&'s mut S);

    impl<'de, S: Sink> Visitor<'de> for Document<'_, S> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a document")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            while let Some(name) = members.next_key::<String>()? {
                if name == "items" {
                    members.next_value_seed(Items(&mut *self.0))?;
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(())
        }
    }

    let mut deserializer = serde_json::Deserializer::from_reader(file);
    deserializer.deserialize_map(Document(sink)).unwrap();
}

fn ndjson(mut file: impl BufRead, sink: &mut impl Sink) {
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).unwrap() > 0 {
        take_item(&serde_json::from_slice(&line).unwrap(), sink);
        line.clear();
    }
}

fn csv(file: impl BufRead, sink: &mut impl Sink) {
    let mut reader = csv::Reader::from_reader(file);
    let headers = reader.headers().unwrap();
    let position = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let [sku, qty] = ["sku", "qty"].map(position);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).unwrap() {
        sink.take(&record[sku], &record[qty]);
    }
}

fn xml(file: impl BufRead, sink: &mut impl Sink) {
    let mut reader = Reader::from_reader(file);
    let mut buffer = Vec::new();
    let [mut sku, mut qty] = [String::new(), String::new()];
    let mut field = None;
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).unwrap() {
            Event::Start(tag) => {
                field = match tag.name().0 {
                    "sku" => Some(&mut sku),
                    "qty" => Some(&mut qty),
                    _ => None,
                };
            }
            Event::Text(text) => {
                if let Some(field) = &mut field {
                    field.push_str(&text.xml10_content());
                }
            }
            Event::End(tag) => {
                field = None;
                if tag.name().0 == "item" {
                    sink.take(&sku, &qty);
                    sku.clear();
                    qty.clear();
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
}

fn xlsx(file: BufReader<File>, sink: &mut impl Sink) {
    let mut workbook: Xlsx<_> = Xlsx::new(file).unwrap();
    let sheet = workbook.sheet_names().remove(0);
    let mut cells = workbook.worksheet_cells_reader(&sheet).unwrap();
    let mut sku = "";
    while let Some(cell) = cells.next_cell().unwrap() {
        match (cell.get_position(), cell.get_value()) {
            ((0, _), _) => {}
            ((_, 0), DataRef::SharedString(text)) => sku = *text,
            ((_, 3), DataRef::Float(number)) => sink.take(sku, &number.to_string()),
            _ => {}
        }
    }
}

/// Splits at the separators.
fn edi(mut file: impl BufRead, terminator: u8, separator: char, sink: &mut impl Sink) {
    let mut segment = Vec::new();
    let mut sku = String::new();
    while file.read_until(terminator, &mut segment).unwrap() > 0 {
        let text = std::str::from_utf8(&segment).unwrap().trim_ascii();
        let text = text.strip_suffix(char::from(terminator)).unwrap_or(text);
        let elements: Vec<&str> = text.split(separator).collect();
        match *elements.as_slice() {
            ["LIN", _, "SK", id, ..] => id.clone_into(&mut sku),
            ["PIA", "1", id] => id.trim_end_matches(":SA").clone_into(&mut sku),
            ["QTY", "33", quantity, ..] => sink.take(&sku, quantity),
            ["QTY", composite] => {
                let mut components = composite.split(':').skip(1);
                sink.take(&sku, components.next().unwrap());
            }
            _ => {}
        }
        segment.clear();
    }
}
