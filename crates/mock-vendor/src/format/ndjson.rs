//! One JSON object a line.

use serde::Deserialize;

use super::{Report, json};

/// Options of newline-delimited JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ndjson {
    /// Pointers from an object.
    product_id: String,
    quantity: String,
}

impl Default for Ndjson {
    fn default() -> Self {
        Self {
            product_id: "/productId".to_owned(),
            quantity: "/quantity".to_owned(),
        }
    }
}

impl Ndjson {
    pub(super) fn write(&self, report: &Report) -> Result<String, String> {
        let mut text = String::new();
        for row in &report.rows {
            let item = json::item(row, &self.product_id, &self.quantity)?;
            text.push_str(&item.to_json()?);
            text.push('\n');
        }
        Ok(text)
    }
}
