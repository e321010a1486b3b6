//! Stock over HTTP.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::cursor::CursorScope;
use crate::failure;
use crate::problem::Problem;
use crate::request::path;
use crate::request::query::{self, Query};
use crate::state::AppState;
use crate::views::page::{self, NextPage};
use crate::views::{ProductView, StockView};

const LIST: &str = "/api/v1/stock";

/// `GET /api/v1/stock`.
pub(crate) async fn list(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::parse(&request, &["limit", "cursor", "in_stock"])?;
    let in_stock = in_stock(&query)?;
    let limit = query.limit()?;
    let scope = CursorScope::stock(in_stock);
    let after = query
        .get("cursor")
        .map(|cursor| scope.read_product(cursor))
        .transpose()?;
    let mut levels = state
        .stock
        .list_stock(after, in_stock, limit + page::LOOKAHEAD)
        .await
        .map_err(|failure| failure::of_store(&failure))?;
    let next = page::cut(&mut levels, limit).map(|last| scope.after_product(&last.product_id));
    let next = next
        .map(|cursor| NextPage::new(LIST, limit, cursor).with("in_stock", query.get("in_stock")));
    Ok(page::render(levels.iter().map(StockView::from), next))
}

/// Whether only products that can be sold are asked for; `false` is the same as leaving the filter out.
fn in_stock(query: &Query) -> Result<bool, Problem> {
    match query.get("in_stock") {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => Err(query::unacceptable("in_stock", "must be true or false")),
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
        .await
        .map_err(|failure| failure::of_store(&failure))?
        .ok_or_else(|| Problem::not_found("no vendor has reported this product"))?;
    Ok(HttpResponse::Ok().json(ProductView::from(&detail)))
}
