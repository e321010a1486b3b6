//! X12 846, Inventory Inquiry/Advice, release 4010.

use serde::Deserialize;

use super::Report;

/// Options of an interchange.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct X12 {
    /// Qualifier of the id in LIN.
    product_id: String,
    /// Quantity qualifier in QTY.
    quantity: String,
}

impl Default for X12 {
    fn default() -> Self {
        Self {
            product_id: "SK".to_owned(),
            quantity: "33".to_owned(),
        }
    }
}

impl X12 {
    pub(super) fn write(&self, report: &Report) -> Result<String, String> {
        let now = report.now;
        let [short, date, time] = ["%y%m%d", "%Y%m%d", "%H%M"].map(|pattern| now.strftime(pattern));
        let mut segments = vec!["ST*846*0001".to_owned(), format!("BIA*00*SI*1*{date}")];
        for (number, row) in (1..).zip(&report.rows) {
            let [product_id, title, quantity] = [
                row.product_id.as_str(),
                row.title.as_text(),
                row.quantity.as_text(),
            ]
            .map(element);
            segments.push(format!("LIN*{number}*{}*{}", self.product_id, product_id?));
            segments.push(format!("PID*F****{}", title?));
            segments.push(format!("QTY*{}*{}", self.quantity, quantity?));
        }
        let count = segments.len() + 1;
        segments.push(format!("SE*{count}*0001"));
        Ok(format!(
            "ISA*00*          *00*          *ZZ*VENDOR         *ZZ*SHOP           *{short}*{time}*U*00401*000000001*0*P*>~\n\
             GS*IB*VENDOR*SHOP*{date}*{time}*1*X*004010~\n{}~\nGE*1*1~\nIEA*1*000000001~\n",
            segments.join("~\n")
        ))
    }
}

/// A text without separators: X12 cannot escape them.
fn element(text: &str) -> Result<&str, String> {
    if text.contains(['*', '~', '>']) || text.contains(char::is_control) {
        return Err(format!("X12 cannot have {text:?}: it contains a separator"));
    }
    Ok(text)
}
