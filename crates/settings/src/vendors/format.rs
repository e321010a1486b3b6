//! `[vendors.format]`: how the text of a report becomes records.

use std::num::NonZeroU32;

use jsonptr::PointerBuf;
use serde::{Deserialize, Deserializer};

use super::{Problem, problem};
use crate::fields;

/// How the text of a vendor's report becomes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatSettings {
    /// A JSON document.
    Json {
        /// Pointer to the items.
        items: PointerBuf,
        /// The kind of value at `items`.
        items_are: ItemsAre,
        /// The instant for which the report holds.
        as_of: Option<AsOfSettings>,
    },
    /// One JSON object a line.
    Ndjson,
    /// Separated values.
    Csv {
        /// The separator of fields, in ASCII.
        delimiter: u8,
        /// The quotation mark, in ASCII.
        quote: u8,
        /// Row of the names of the columns, from 1; `None`: the first row is a record.
        header_row: Option<NonZeroU32>,
    },
    /// An XML document.
    Xml {
        /// Absolute path of the items.
        items: String,
        /// The instant for which the report holds.
        as_of: Option<AsOfSettings>,
    },
    /// An Office Open XML workbook.
    Xlsx {
        /// Name of the sheet. `None`: the only one.
        sheet: Option<String>,
        /// As of separated values.
        header_row: Option<NonZeroU32>,
    },
    /// An X12 846.
    X12,
    /// An EDIFACT INVRPT.
    Edifact,
}

/// The kind of the items of a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemsAre {
    /// The elements of a list.
    List,
    /// The values of an object.
    Values,
    /// The members of an object: the name is the product id, the value has the quantity.
    Map,
    /// One object, which is the only item.
    Single,
}

/// Where the document states the instant for which it holds, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOfSettings {
    /// A JSON pointer or an XML path.
    pub field: String,
    /// How the instant is written.
    pub format: AsOfFormat,
    /// Time zone of an instant that is written without one.
    pub zone: Option<String>,
}

/// How an instant is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsOfFormat {
    /// As in RFC 3339; the offset may be absent if the zone is set.
    Rfc3339,
    /// As in the field `Date` of HTTP.
    HttpDate,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// A pattern of `strftime`.
    Pattern(String),
}

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
    items_are: Option<ItemsAre>,
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

impl FormatTable {
    pub(super) fn kind(&self) -> FormatType {
        self.kind
    }

    pub(super) fn check(&self) -> Result<FormatSettings, Problem> {
        self.check_type()?;
        Ok(match self.kind {
            FormatType::Json => FormatSettings::Json {
                items: json_pointer("format.items", self.items.as_deref().unwrap_or_default())?,
                items_are: self.items_are()?,
                as_of: self.as_of()?,
            },
            FormatType::Ndjson => FormatSettings::Ndjson,
            FormatType::Csv => {
                let (delimiter, quote) =
                    (self.delimiter.unwrap_or(b','), self.quote.unwrap_or(b'"'));
                if delimiter == quote {
                    let text = "is also the quotation mark, expected another character";
                    return Err(problem("format.delimiter", text));
                }
                FormatSettings::Csv {
                    delimiter,
                    quote,
                    header_row: self.header_row()?,
                }
            }
            FormatType::Xml => FormatSettings::Xml {
                items: self.items.clone().ok_or_else(|| {
                    let text =
                        "items is missing, expected the path of the items, such as /stock/item";
                    problem("format", text)
                })?,
                as_of: self.as_of()?,
            },
            FormatType::Xlsx => FormatSettings::Xlsx {
                sheet: self.sheet.clone(),
                header_row: self.header_row()?,
            },
            FormatType::X12 => FormatSettings::X12,
            FormatType::Edifact => FormatSettings::Edifact,
        })
    }

    /// Refuses settings of another type.
    fn check_type(&self) -> Result<(), Problem> {
        use FormatType::{Csv, Json, Xlsx, Xml};
        let settings: [(&str, bool, &[FormatType]); 13] = [
            ("items", self.items.is_some(), &[Json, Xml]),
            ("items_are", self.items_are.is_some(), &[Json]),
            ("single", self.single.is_some(), &[Json]),
            ("delimiter", self.delimiter.is_some(), &[Csv]),
            ("quote", self.quote.is_some(), &[Csv]),
            ("header", self.header.is_some(), &[Csv, Xlsx]),
            ("header_row", self.header_row.is_some(), &[Csv, Xlsx]),
            ("sheet", self.sheet.is_some(), &[Xlsx]),
            ("as_of", self.as_of.is_some(), &[Json, Xml]),
            ("as_of_format", self.as_of_format.is_some(), &[Json, Xml]),
            ("as_of_zone", self.as_of_zone.is_some(), &[Json, Xml]),
            ("product_id", self.product_id.is_some(), &[Json]),
            ("quantity", self.quantity.is_some(), &[Json]),
        ];
        for (name, is_set, types) in settings {
            if is_set && !types.contains(&self.kind) {
                let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
                let text = format!(
                    "is a setting of the type {}, but format.type is {:?}",
                    names.join(" and "),
                    self.kind.name()
                );
                return Err(problem(format!("format.{name}"), text));
            }
        }
        Ok(())
    }

    fn items_are(&self) -> Result<ItemsAre, Problem> {
        match (self.single, self.items_are) {
            (Some(true), Some(_)) => {
                let text = "is true, but format.items_are is set, expected one of the two";
                Err(problem("format.single", text))
            }
            (Some(true), None) => Ok(ItemsAre::Single),
            (_, items_are) => Ok(items_are.unwrap_or(ItemsAre::List)),
        }
    }

    fn header_row(&self) -> Result<Option<NonZeroU32>, Problem> {
        match (self.header, self.header_row) {
            (Some(false), Some(_)) => {
                let text = "is set, but format.header is false, expected one of the two";
                Err(problem("format.header_row", text))
            }
            (Some(false), None) => Ok(None),
            (_, row) => Ok(row.map_or(Some(NonZeroU32::MIN), NonZeroU32::new)),
        }
    }

    fn as_of(&self) -> Result<Option<AsOfSettings>, Problem> {
        let Some(field) = &self.as_of else {
            for (name, is_set) in [
                ("format.as_of_format", self.as_of_format.is_some()),
                ("format.as_of_zone", self.as_of_zone.is_some()),
            ] {
                if is_set {
                    return Err(problem(name, "is set, but format.as_of is not"));
                }
            }
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
        Ok(Some(AsOfSettings {
            field: field.clone(),
            format,
            zone: self.as_of_zone.clone(),
        }))
    }
}

fn json_pointer(name: &str, text: &str) -> Result<PointerBuf, Problem> {
    fields::parse_json_pointer(text).map_err(|text| problem(name, text))
}

fn format_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FormatType, D::Error> {
    fields::one_of(deserializer, &TYPES)
}

fn items_are<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ItemsAre>, D::Error> {
    let choices = [
        ("list", ItemsAre::List),
        ("values", ItemsAre::Values),
        ("map", ItemsAre::Map),
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
