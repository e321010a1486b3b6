//! EDIFACT INVRPT, Inventory report, directory D.96A.

use serde::Deserialize;

use super::Report;

/// Options of an interchange.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Edifact {
    /// Item number type in LIN.
    product_id: String,
    /// Quantity qualifier in QTY.
    quantity: String,
}

impl Default for Edifact {
    fn default() -> Self {
        Self {
            product_id: "SA".to_owned(),
            quantity: "145".to_owned(),
        }
    }
}

impl Edifact {
    pub(super) fn write(&self, report: &Report) -> String {
        let identifier = identifier(&report.charset);
        let now = report.now;
        let [short, date, time] = ["%y%m%d", "%Y%m%d", "%H%M"].map(|pattern| now.strftime(pattern));
        let mut segments = vec![
            "UNH+1+INVRPT:D:96A:UN".to_owned(),
            "BGM+35+1+9".to_owned(),
            format!("DTM+137:{date}:102"),
        ];
        for (number, row) in (1..).zip(&report.rows) {
            let [product_id, title, quantity] = [
                row.product_id.as_str(),
                row.title.as_text(),
                row.quantity.as_text(),
            ]
            .map(released);
            segments.push(format!("LIN+{number}++{product_id}:{}", self.product_id));
            segments.push(format!("IMD+F++:::{title}"));
            segments.push(format!("QTY+{}:{quantity}", self.quantity));
        }
        let count = segments.len() + 1;
        segments.push(format!("UNT+{count}+1"));
        format!(
            "UNA:+{}? '\nUNB+{identifier}+VENDOR+SHOP+{short}:{time}+1'\n{}'\nUNZ+1+1'\n",
            report.decimal,
            segments.join("'\n")
        )
    }
}

/// The syntax identifier and version of an encoding (code list 0001): UNOC is ISO 8859-1, UNOY any of ISO 10646.
fn identifier(charset: &str) -> &'static str {
    match charset.to_ascii_lowercase().as_str() {
        "windows-1252" | "iso-8859-1" | "latin1" => "UNOC:3",
        "iso-8859-2" => "UNOD:3",
        _ => "UNOY:4",
    }
}

/// A text in which each separator is released.
fn released(text: &str) -> String {
    let mut released = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, ':' | '+' | '?' | '\'') {
            released.push('?');
        }
        released.push(char);
    }
    released
}
