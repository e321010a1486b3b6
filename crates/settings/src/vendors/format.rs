//! `[vendors.format]`: how the text of a report becomes records.

use std::num::NonZeroU32;

use feed_options::{
    AsOfFormat, AsOfOptions, Column, CsvOptions, EdiAsOf, EdiOptions, FormatOptions, Header,
    JsonItems, JsonOptions, SkipRows, XlsxOptions, XmlOptions,
};
use jsonptr::PointerBuf;
use serde::{Deserialize, Deserializer};

use super::{Problem, mapping, problem};
use crate::fields;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum FormatType {
    #[default]
    Json,
    Ndjson,
    Csv,
    Xml,
    Xlsx,
    X12,
    Edifact,
}

const TYPES: [(&str, FormatType); 7] = [
    ("json", FormatType::Json),
    ("ndjson", FormatType::Ndjson),
    ("csv", FormatType::Csv),
    ("xml", FormatType::Xml),
    ("xlsx", FormatType::Xlsx),
    ("x12_846", FormatType::X12),
    ("edifact_invrpt", FormatType::Edifact),
];

impl FormatType {
    pub(super) fn name(self) -> &'static str {
        let found = TYPES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct FormatTable {
    #[serde(rename = "type", deserialize_with = "format_type")]
    kind: FormatType,
    #[serde(deserialize_with = "fields::optional_text")]
    items: Option<String>,
    #[serde(deserialize_with = "items_are")]
    items_are: Option<JsonItems>,
    #[serde(deserialize_with = "fields::optional_boolean")]
    single: Option<bool>,
    #[serde(deserialize_with = "separator")]
    delimiter: Option<u8>,
    #[serde(deserialize_with = "separator")]
    quote: Option<u8>,
    #[serde(deserialize_with = "fields::optional_boolean")]
    header: Option<bool>,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 1, 1_048_576>")]
    header_row: Option<u32>,
    #[serde(deserialize_with = "fields::optional_string")]
    sheet: Option<String>,
    skip_rows: Option<SkipRowsTable>,
    units: Option<Vec<Unit>>,
    #[serde(deserialize_with = "fields::optional_text")]
    as_of: Option<String>,
    #[serde(deserialize_with = "fields::optional_string")]
    as_of_format: Option<String>,
    #[serde(deserialize_with = "fields::optional_string")]
    as_of_zone: Option<String>,
    /// Short form of `fields.product_id`.
    #[serde(deserialize_with = "fields::optional_json_pointer")]
    pub(super) product_id: Option<PointerBuf>,
    /// Short form of `fields.quantity`.
    #[serde(deserialize_with = "fields::optional_json_pointer")]
    pub(super) quantity: Option<PointerBuf>,
}

/// The code of a unit of measure.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
struct Unit(#[serde(deserialize_with = "fields::string")] String);

/// Rows that are not records.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with field and values")]
struct SkipRowsTable {
    #[serde(default, deserialize_with = "mapping::column")]
    field: Option<Column>,
    values: Vec<SkippedValue>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
struct SkippedValue(#[serde(deserialize_with = "fields::string")] String);

impl FormatTable {
    pub(super) fn kind(&self) -> FormatType {
        self.kind
    }

    pub(super) fn check(&self) -> Result<FormatOptions, Problem> {
        self.check_type()?;
        Ok(match self.kind {
            FormatType::Json => FormatOptions::Json(JsonOptions {
                items: json_pointer("format.items", self.items.as_deref().unwrap_or_default())?,
                items_are: self.items_are()?,
                as_of: self.as_of()?,
            }),
            FormatType::Ndjson => FormatOptions::Ndjson,
            FormatType::Csv => {
                let (delimiter, quote) =
                    (self.delimiter.unwrap_or(b','), self.quote.unwrap_or(b'"'));
                if delimiter == quote {
                    let text = "is also the quotation mark, expected another character";
                    return Err(problem("format.delimiter", text));
                }
                FormatOptions::Csv(CsvOptions {
                    delimiter,
                    quote,
                    header: self.header()?,
                    skip_rows: self.skip_rows()?,
                })
            }
            FormatType::Xml => FormatOptions::Xml(XmlOptions {
                items: self.items.clone().ok_or_else(|| {
                    let text =
                        "items is missing, expected the path of the items, such as /stock/item";
                    problem("format", text)
                })?,
                as_of: self.as_of()?,
            }),
            FormatType::Xlsx => FormatOptions::Xlsx(XlsxOptions {
                sheet: self.sheet.clone(),
                header: self.header()?,
                skip_rows: self.skip_rows()?,
            }),
            FormatType::X12 => FormatOptions::X12(self.edi()?),
            FormatType::Edifact => FormatOptions::Edifact(self.edi()?),
        })
    }

    /// Refuses settings of another type.
    fn check_type(&self) -> Result<(), Problem> {
        use FormatType::{Csv, Edifact, Json, X12, Xlsx, Xml};
        let settings: [(&str, bool, &[FormatType]); 15] = [
            ("items", self.items.is_some(), &[Json, Xml]),
            ("items_are", self.items_are.is_some(), &[Json]),
            ("single", self.single.is_some(), &[Json]),
            ("delimiter", self.delimiter.is_some(), &[Csv]),
            ("quote", self.quote.is_some(), &[Csv]),
            ("header", self.header.is_some(), &[Csv, Xlsx]),
            ("header_row", self.header_row.is_some(), &[Csv, Xlsx]),
            ("sheet", self.sheet.is_some(), &[Xlsx]),
            ("skip_rows", self.skip_rows.is_some(), &[Csv, Xlsx]),
            ("units", self.units.is_some(), &[X12, Edifact]),
            ("as_of", self.as_of.is_some(), &[Json, Xml, X12, Edifact]),
            ("as_of_format", self.as_of_format.is_some(), &[Json, Xml]),
            (
                "as_of_zone",
                self.as_of_zone.is_some(),
                &[Json, Xml, X12, Edifact],
            ),
            ("product_id", self.product_id.is_some(), &[Json]),
            ("quantity", self.quantity.is_some(), &[Json]),
        ];
        for (name, is_set, types) in settings {
            if is_set && !types.contains(&self.kind) {
                let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
                let text = format!(
                    "is a setting of the type {}, but format.type is {:?}",
                    names.join(" or "),
                    self.kind.name()
                );
                return Err(problem(format!("format.{name}"), text));
            }
        }
        Ok(())
    }

    fn items_are(&self) -> Result<JsonItems, Problem> {
        match (self.single, self.items_are) {
            (Some(true), Some(_)) => {
                let text = "is true, but format.items_are is set, expected one of the two";
                Err(problem("format.single", text))
            }
            (Some(true), None) => Ok(JsonItems::Single),
            (_, items_are) => Ok(items_are.unwrap_or(JsonItems::List)),
        }
    }

    fn skip_rows(&self) -> Result<Option<SkipRows>, Problem> {
        let Some(table) = &self.skip_rows else {
            return Ok(None);
        };
        let values: Vec<String> = table.values.iter().map(|value| value.0.clone()).collect();
        let column = table.field.clone().ok_or_else(|| {
            problem(
                "format.skip_rows",
                "field is missing, the name or the number of a column",
            )
        })?;
        // Each row, and each empty field, would match.
        let is_any = |value: &String| value.trim_matches(['*', ' ']).is_empty();
        if values.is_empty() || values.iter().any(is_any) {
            let text =
                "has no texts, or one that is empty or only *, expected texts such as \"Total\"";
            return Err(problem("format.skip_rows.values", text));
        }
        Ok(Some(SkipRows { column, values }))
    }

    fn header(&self) -> Result<Header, Problem> {
        match (self.header, self.header_row) {
            (Some(false), Some(_)) => {
                let text = "is set, but format.header is false, expected one of the two";
                Err(problem("format.header_row", text))
            }
            (Some(false), None) => Ok(Header::None),
            (_, row) => Ok(Header::Row(
                row.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN),
            )),
        }
    }

    fn as_of(&self) -> Result<Option<AsOfOptions>, Problem> {
        let Some(field) = self.as_of_field()? else {
            return Ok(None);
        };
        if self.kind == FormatType::Json {
            json_pointer("format.as_of", field)?;
        }
        let format = match self.as_of_format.as_deref() {
            None | Some("rfc3339") => AsOfFormat::Rfc3339,
            Some("http_date") => AsOfFormat::HttpDate,
            Some("unix") => AsOfFormat::Unix,
            Some("unix_ms") => AsOfFormat::UnixMs,
            Some(pattern) if pattern.contains('%') => AsOfFormat::Pattern(pattern.to_owned()),
            Some(other) => {
                let text = format!(
                    "is {}, expected rfc3339 or http_date or unix or unix_ms or a pattern such as %d.%m.%Y %H:%M",
                    fields::quoted(other)
                );
                return Err(problem("format.as_of_format", text));
            }
        };
        let needs_zone = matches!(format, AsOfFormat::Rfc3339 | AsOfFormat::Pattern(_));
        if !needs_zone && self.as_of_zone.is_some() {
            let text = "is set, but an instant of this format.as_of_format needs no time zone";
            return Err(problem("format.as_of_zone", text));
        }
        Ok(Some(AsOfOptions {
            field: field.to_owned(),
            format,
            zone: self.as_of_zone.clone(),
        }))
    }

    /// Returns `format.as_of`. Without it the settings of its form are refused.
    fn as_of_field(&self) -> Result<Option<&str>, Problem> {
        if self.as_of.is_none() {
            for (name, is_set) in [
                ("format.as_of_format", self.as_of_format.is_some()),
                ("format.as_of_zone", self.as_of_zone.is_some()),
            ] {
                if is_set {
                    return Err(problem(name, "is set, but format.as_of is not"));
                }
            }
        }
        Ok(self.as_of.as_deref())
    }

    fn edi(&self) -> Result<EdiOptions, Problem> {
        let as_of = self.as_of_field()?;
        if let Some(code) = as_of {
            check_code("format.as_of", code)?;
        }
        let mut units = Vec::new();
        for (index, Unit(unit)) in self.units.iter().flatten().enumerate() {
            check_code(&format!("format.units[{index}]"), unit)?;
            units.push(unit.clone());
        }
        Ok(EdiOptions {
            as_of: as_of.map(|code| EdiAsOf {
                code: code.to_owned(),
                zone: self.as_of_zone.clone(),
            }),
            units,
        })
    }
}

/// A code of EDI.
pub(super) fn is_code(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// How errors describe a code of EDI.
pub(super) const CODE: &str = "a code of one to three letters or digits";

fn check_code(name: &str, text: &str) -> Result<(), Problem> {
    if is_code(text) {
        return Ok(());
    }
    let text = format!("is {}, expected {CODE}", fields::quoted(text));
    Err(problem(name, text))
}

fn json_pointer(name: &str, text: &str) -> Result<String, Problem> {
    fields::parse_json_pointer(text)
        .map(|pointer| pointer.to_string())
        .map_err(|text| problem(name, text))
}

fn format_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FormatType, D::Error> {
    fields::one_of(deserializer, &TYPES)
}

fn items_are<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<JsonItems>, D::Error> {
    let choices = [
        ("list", JsonItems::List),
        ("values", JsonItems::Values),
        ("map", JsonItems::Map),
    ];
    fields::one_of(deserializer, &choices).map(Some)
}

fn separator<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let expected = "one ASCII character that is no letter, digit or line end";
    let is_valid = |char: char| {
        char.is_ascii() && !char.is_ascii_alphanumeric() && !matches!(char, '\0' | '\r' | '\n')
    };
    let char = fields::character(deserializer, expected, is_valid)?;
    Ok(u8::try_from(char).ok())
}
