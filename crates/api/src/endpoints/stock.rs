//! Stock over HTTP.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::identifiers::ProductId;
use domain::ports::{StockLevel, StockQueries, StoreError};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::cursor::CursorScope;
use crate::list::{self, List, NextPage};
use crate::openapi::parameters::{self, in_path, paging};
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::path;
use crate::request::query::{self, Query};
use crate::state::AppState;
use crate::views::{ProductView, StockView};

const TAG: &str = "stock";

const LIST: &str = "/api/v1/stock";

/// `GET /api/v1/stock`.
pub(crate) async fn list(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::parse(&request, &["limit", "cursor", "in_stock"])?;
    let in_stock = in_stock(&query)?;
    let stock = StockList {
        stock: Arc::clone(&state.stock),
        in_stock,
        scope: CursorScope::stock(in_stock),
    };
    list::respond(&request, &query, stock).await
}

/// The contract of `GET /api/v1/stock`.
pub(crate) fn list_contract() -> Contract {
    let first = ("product_id", "$response.body#/items/0/product_id");
    let page = list::response_of::<StockView<'_>>("Stock by `product_id`, in byte order.").link(
        "show_first",
        "show_product",
        first,
        "Read the first product.",
    );
    let in_stock = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .default(Some(false.into()));
    Contract::new("list_stock", TAG, "List stock")
        .description(list::DESCRIPTION)
        .parameters(paging())
        .parameters([parameters::query(
            "in_stock",
            in_stock,
            "`true`: only products with units available for sale.",
        )])
        .response(200, page)
}

/// Stock by product id, in byte order.
struct StockList {
    stock: Arc<dyn StockQueries>,
    in_stock: bool,
    scope: CursorScope,
}

impl List for StockList {
    type Item = StockLevel;
    type Key = ProductId;
    type View<'a> = StockView<'a>;

    async fn read(
        &self,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<StockLevel>, StoreError> {
        self.stock.list_stock(after, self.in_stock, limit).await
    }

    fn parse_cursor(&self, cursor: &str) -> Result<ProductId, Problem> {
        self.scope.parse_product(cursor)
    }

    fn key(level: &StockLevel) -> ProductId {
        level.product_id.clone()
    }

    fn view(level: &StockLevel) -> StockView<'_> {
        StockView::from(level)
    }

    fn page_after(&self, id: &ProductId, limit: u32) -> NextPage {
        NextPage::new(LIST, limit, self.scope.after_product(id))
            .with("in_stock", self.in_stock.then_some("true"))
    }
}

/// Parses the filter `in_stock`. `false` is the same as no filter.
fn in_stock(query: &Query) -> Result<bool, Problem> {
    match query.get("in_stock") {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => Err(query::invalid("in_stock", "must be true or false")),
    }
}

/// `GET /api/v1/stock/{product_id}`.
pub(crate) async fn show(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    Query::refuse_any(&request)?;
    let product_id = path::product_id(&request)?;
    let detail = state
        .stock
        .find_stock(&product_id)
        .await?
        .ok_or_else(|| Problem::not_found("no vendor has reported this product"))?;
    Ok(HttpResponse::Ok().json(ProductView::from(&detail)))
}

/// The contract of `GET /api/v1/stock/{product_id}`.
pub(crate) fn show_contract() -> Contract {
    Contract::new("show_product", TAG, "Get the stock of a product")
        .description(
            "Returns the units of a product that are available for sale, in total and by vendor.",
        )
        .parameters([in_path("product_id", schemas::product_id())])
        .response(
            200,
            ResponseSpec::json::<ProductView<'_>>(
                "The stock of the product, in total and by vendor.",
            ),
        )
        .problems(&[ProblemKind::NotFound])
}
