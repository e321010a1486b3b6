//! Stock: what can be sold.

use serde::Deserialize;

use crate::timestamp::{self, Timestamp};
use crate::{Client, ClientError, Items, Lines, Page};

const LIST: [&str; 3] = ["api", "v1", "stock"];

/// What can be sold of a product, over all vendors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StockLevel {
    /// Which product.
    pub product_id: String,
    /// How many units.
    pub quantity: u64,
    /// When that last changed.
    #[serde(deserialize_with = "timestamp::read")]
    pub updated_at: Timestamp,
}

/// A product with each vendor's part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ProductStock {
    /// All of it.
    #[serde(flatten)]
    pub level: StockLevel,
    /// Each vendor's part.
    pub vendors: Vec<VendorStock>,
}

/// What one vendor has of a product.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VendorStock {
    /// Which vendor.
    pub vendor_id: String,
    /// Units that it last reported.
    pub reported: u32,
    /// Units that were sold and that its report does not know of.
    pub in_flight: u32,
    /// Units that can still be sold.
    pub available: u32,
    /// The moment for which its report is true.
    #[serde(deserialize_with = "timestamp::read")]
    pub as_of: Timestamp,
}

/// Which products to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StockFilter {
    /// Only those of which something can be sold.
    pub in_stock: bool,
}

impl StockFilter {
    fn query(self) -> Vec<(&'static str, String)> {
        let in_stock = self.in_stock.then(|| ("in_stock", "true".to_owned()));
        in_stock.into_iter().collect()
    }
}

impl Client {
    /// `GET /api/v1/stock/{product_id}`.
    ///
    /// # Errors
    /// [`ClientError`]; a problem [`NotFound`](crate::ProblemKind::NotFound) if no vendor has reported the product.
    pub async fn stock(&self, product_id: &str) -> Result<ProductStock, ClientError> {
        let url = self.exchange.url(&["api", "v1", "stock", product_id])?;
        let answer = self.exchange.send(self.exchange.get(url)).await?;
        answer.expect(&[200])?.json()
    }

    /// One page of `GET /api/v1/stock`, by product id: of `limit` products (1 to 1000; 100 unless given), from a cursor on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock_page(
        &self,
        filter: StockFilter,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<StockLevel>, ClientError> {
        self.page(&LIST, &filter.query(), limit, cursor).await
    }

    /// All stock, page by page as it is read.
    pub fn stock_levels(&self, filter: StockFilter) -> Items<StockLevel> {
        Items::new(self.clone(), LIST, filter.query())
    }

    /// All stock in one streamed answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stock_lines(&self, filter: StockFilter) -> Result<Lines<StockLevel>, ClientError> {
        Lines::open(&self.exchange, &LIST, &filter.query()).await
    }
}
