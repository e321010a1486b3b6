//! Available stock.

use serde::Deserialize;

use crate::timestamp::{self, Timestamp};
use crate::{Client, ClientError, Items, Lines, Page};

const LIST: [&str; 3] = ["api", "v1", "stock"];

/// Units of a product that can be sold, over all vendors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StockLevel {
    /// Product id.
    pub product_id: String,
    /// Units that can be sold.
    pub quantity: u64,
    /// Time of the last change.
    #[serde(deserialize_with = "timestamp::read")]
    pub updated_at: Timestamp,
}

/// Stock of a product in total and by vendor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ProductStock {
    /// Total over all vendors.
    #[serde(flatten)]
    pub level: StockLevel,
    /// Stock by vendor.
    pub vendors: Vec<VendorStock>,
}

/// Stock of a product at one vendor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VendorStock {
    /// Vendor id.
    pub vendor_id: String,
    /// Units in the last report.
    pub reported: u32,
    /// Units that were sold and are not included in the last report.
    pub in_flight: u32,
    /// Units that can be sold.
    pub available: u32,
    /// Instant for which the last report holds.
    #[serde(deserialize_with = "timestamp::read")]
    pub as_of: Timestamp,
}

/// Filter of the stock list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StockFilter {
    /// Lists only products with a quantity above 0.
    pub in_stock: bool,
}

impl StockFilter {
    fn query(self) -> Vec<(&'static str, String)> {
        let in_stock = self.in_stock.then(|| ("in_stock", "true".to_owned()));
        in_stock.into_iter().collect()
    }
}

impl Client {
    /// Returns the stock of a product: `GET /api/v1/stock/{product_id}`.
    ///
    /// # Errors
    /// [`ClientError`], with the problem [`NotFound`](crate::ProblemKind::NotFound) if no vendor has reported the product.
    pub async fn stock(&self, product_id: &str) -> Result<ProductStock, ClientError> {
        let url = self.transport.url(&["api", "v1", "stock", product_id])?;
        self.transport.fetch(self.transport.get(url)).await
    }

    /// Returns a page of `GET /api/v1/stock` in the order of product ids, with at most `limit` products (1 to 1000, default
    /// 100), from `cursor` on.
    ///
    /// # Errors
    /// [`ClientError`] if the page cannot be read.
    pub async fn stock_page(
        &self,
        filter: StockFilter,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<StockLevel>, ClientError> {
        self.page(&LIST, &filter.query(), limit, cursor).await
    }

    /// Returns all stock in the order of product ids, and requests pages as they are needed.
    pub fn stock_levels(&self, filter: StockFilter) -> Items<StockLevel> {
        Items::new(self.clone(), &LIST, filter.query())
    }

    /// Returns all stock as one streamed response.
    ///
    /// # Errors
    /// [`ClientError`] if the stream cannot be opened.
    pub async fn stock_lines(&self, filter: StockFilter) -> Result<Lines<StockLevel>, ClientError> {
        Lines::open(&self.transport, &LIST, &filter.query()).await
    }
}
