//! JSON documents.

use serde::Deserialize;

use super::{Cell, ListShape, Node, Report, Row, unused_name};

/// Options of a JSON document. Pointers follow RFC 6901.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Json {
    /// Pointer to the items; empty for the document itself.
    items: String,
    items_are: ItemsAre,
    /// Pointers from an item.
    product_id: String,
    quantity: String,
    /// Pointer to the instant; not written if absent.
    as_of: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ItemsAre {
    #[default]
    List,
    /// An object whose values are the items.
    Values,
    /// An object of quantities by product id.
    Map,
}

impl Default for Json {
    fn default() -> Self {
        Self {
            items: String::new(),
            items_are: ItemsAre::List,
            product_id: "/productId".to_owned(),
            quantity: "/quantity".to_owned(),
            as_of: None,
        }
    }
}

impl Json {
    pub(super) fn write(&self, report: &Report) -> Result<String, String> {
        let items = self.items(report)?;
        if self.items.is_empty() {
            if self.as_of.is_some() || !report.members.is_empty() {
                return Err("a document with more than its items needs format.items".to_owned());
            }
            return items.to_json();
        }
        let mut document = Node::Object(Vec::new());
        if let Some(pointer) = &self.as_of {
            let as_of = &report.as_of;
            let value = if as_of.is_number {
                Node::raw(&as_of.text)?
            } else {
                Node::text(&as_of.text)?
            };
            document.set(pointer, value)?;
        }
        for (pointer, value) in &report.members {
            document.set(pointer, value.clone())?;
        }
        document.set(&self.items, items)?;
        document.to_json()
    }

    fn items(&self, report: &Report) -> Result<Node, String> {
        if report.list != ListShape::List && self.items_are != ItemsAre::List {
            return Err("the fault needs format.items_are = \"list\"".to_owned());
        }
        if self.items_are == ItemsAre::Map {
            let quantity = |row: &Row| {
                if row.price.is_some() || matches!(row.title, Cell::Raw(_)) {
                    return Err("format.items_are = \"map\" has no field for the fault".to_owned());
                }
                Ok((row.product_id.clone(), Node::cell(&row.quantity)?))
            };
            let members: Result<_, String> = report.rows.iter().map(quantity).collect();
            return members.map(Node::Object);
        }
        let item = |row: &Row| item(row, &self.product_id, &self.quantity);
        let items: Vec<Node> = report.rows.iter().map(item).collect::<Result<_, _>>()?;
        let numbered = |items: Vec<Node>| {
            let numbers = (0..).map(|number: u32| number.to_string());
            Node::Object(numbers.zip(items).collect())
        };
        Ok(match (self.items_are, report.list) {
            (ItemsAre::Values, _) => {
                let ids = report.rows.iter().map(|row| row.product_id.clone());
                Node::Object(ids.zip(items).collect())
            }
            (_, ListShape::PhpMap) => numbered(items),
            (_, ListShape::FirstItem) => {
                let first = items.into_iter().next();
                first.ok_or("the fault needs a product")?
            }
            _ => Node::List(items),
        })
    }
}

/// One item.
pub(super) fn item(row: &Row, product_id: &str, quantity: &str) -> Result<Node, String> {
    let mut item = Node::Object(Vec::new());
    item.set(product_id, Node::text(&row.product_id)?)?;
    if let Some(name) = unused_name("title", &[product_id, quantity]) {
        item.set(&format!("/{name}"), Node::cell(&row.title)?)?;
    }
    if let Some(price) = &row.price {
        item.set("/price", Node::cell(price)?)?;
    }
    item.set(quantity, Node::cell(&row.quantity)?)?;
    Ok(item)
}
