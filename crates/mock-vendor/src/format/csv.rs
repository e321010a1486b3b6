//! Separated values.

use csv::{QuoteStyle, Terminator, WriterBuilder};
use serde::Deserialize;

use super::{Report, unused_name};

/// Options of separated values.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Csv {
    /// The separator of fields, one ASCII character.
    delimiter: char,
    /// The quotation mark, one ASCII character.
    quote: char,
    quoting: Quoting,
    /// Whether the first line has the names of the columns.
    header: bool,
    /// Names of the columns. The product id is the first column, a title the second, the quantity the third.
    product_id: String,
    quantity: String,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Quoting {
    #[default]
    Necessary,
    Always,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: ',',
            quote: '"',
            quoting: Quoting::Necessary,
            header: true,
            product_id: "sku".to_owned(),
            quantity: "quantity".to_owned(),
        }
    }
}

impl Csv {
    pub(super) fn write(&self, report: &Report) -> Result<String, String> {
        let mut writer = WriterBuilder::new()
            .delimiter(ascii("format.delimiter", self.delimiter)?)
            .quote(ascii("format.quote", self.quote)?)
            .quote_style(match self.quoting {
                Quoting::Necessary => QuoteStyle::Necessary,
                Quoting::Always => QuoteStyle::Always,
            })
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        let problem = |error: csv::Error| error.to_string();
        if self.header {
            let title = unused_name("title", &[&self.product_id, &self.quantity]);
            writer
                .write_record([
                    self.product_id.as_str(),
                    title.unwrap_or("name"),
                    &self.quantity,
                ])
                .map_err(problem)?;
        }
        for row in &report.rows {
            writer
                .write_record([
                    row.product_id.as_str(),
                    row.title.as_text(),
                    row.quantity.as_text(),
                ])
                .map_err(problem)?;
        }
        let bytes = writer.into_inner().map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }
}

fn ascii(option: &str, char: char) -> Result<u8, String> {
    match u8::try_from(char) {
        Ok(byte) if byte.is_ascii() => Ok(byte),
        _ => Err(format!("{option} is {char:?}, expected an ASCII character")),
    }
}
