//! `[vendors.decode]`: how the bytes of a report become text.

use encoding_rs::Encoding;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Problem, problem};
use crate::fields;

const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;
const DEFAULT_MAX_DECODED_BYTES: u64 = 1024 * 1024 * 1024;
const DEFAULT_MAX_RATIO: u32 = 100;

/// How the bytes of a vendor's report become text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeSettings {
    /// Encoding of the text. `None`: that of the byte order mark, else of the document's own declaration, else UTF-8.
    pub charset: Option<&'static Encoding>,
    /// Name of the entry to read from an archive. `None`: its only one.
    pub entry: Option<String>,
    /// Maximum size of the report as it is transferred, in bytes.
    pub max_bytes: u64,
    /// Maximum size of the report after decompression, in bytes.
    pub max_decoded_bytes: u64,
    /// Maximum ratio of the two.
    pub max_ratio: u32,
}

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct DecodeTable {
    #[serde(deserialize_with = "charset")]
    charset: Option<&'static Encoding>,
    #[serde(deserialize_with = "fields::optional_string")]
    entry: Option<String>,
    #[serde(deserialize_with = "optional_max_bytes")]
    max_bytes: Option<u64>,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 1, 17_179_869_184>")]
    max_decoded_bytes: Option<u64>,
    #[serde(deserialize_with = "fields::optional_integer::<_, _, 1, 100_000>")]
    max_ratio: Option<u32>,
}

impl DecodeTable {
    /// `short` is the short form of `max_bytes`.
    pub(super) fn check(self, short: Option<u64>) -> Result<DecodeSettings, Problem> {
        if short.is_some() && self.max_bytes.is_some() {
            let text =
                "is the short form of decode.max_bytes, which is also set, expected one of the two";
            return Err(problem("max_bytes", text));
        }
        Ok(DecodeSettings {
            charset: self.charset,
            entry: self.entry,
            max_bytes: short.or(self.max_bytes).unwrap_or(DEFAULT_MAX_BYTES),
            max_decoded_bytes: self.max_decoded_bytes.unwrap_or(DEFAULT_MAX_DECODED_BYTES),
            max_ratio: self.max_ratio.unwrap_or(DEFAULT_MAX_RATIO),
        })
    }
}

/// Reads `max_bytes`, in the table or as the short form.
pub(super) fn optional_max_bytes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    fields::optional_integer::<D, u64, 1, 1_073_741_824>(deserializer)
}

fn charset<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static Encoding>, D::Error> {
    let label = fields::string(deserializer)?;
    let encoding = Encoding::for_label_no_replacement(label.as_bytes());
    encoding.map(Some).ok_or_else(|| {
        D::Error::custom(format!(
            "is {}, expected the name of an encoding, such as utf-8, utf-16le, windows-1252 or iso-8859-15",
            fields::quoted(&label)
        ))
    })
}
