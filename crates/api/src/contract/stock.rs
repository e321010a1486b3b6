//! Stock.

use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::answer::Answer;
use super::parameters::{in_path, paging, query};
use super::{Contract, schemas};
use crate::list;
use crate::problem::ProblemKind;
use crate::views::{ProductView, StockView};

const TAG: &str = "stock";

/// `GET /api/v1/stock`.
pub(crate) fn list() -> Contract {
    let first = ("product_id", "$response.body#/items/0/product_id");
    let page = list::answer_of::<StockView<'_>>("What can be sold, by `product_id` in byte order.")
        .link(
            "show_first",
            "show_product",
            first,
            "Reads the first product.",
        );
    let in_stock = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .default(Some(false.into()));
    Contract::new("list_stock", TAG, "Lists what can be sold")
        .description(list::DESCRIPTION)
        .parameters(paging())
        .parameters([query(
            "in_stock",
            in_stock,
            "`true`: only products of which there is something left.",
        )])
        .answer(200, page)
}

/// `GET /api/v1/stock/{product_id}`.
pub(crate) fn show() -> Contract {
    Contract::new("show_product", TAG, "Shows what can be sold of a product")
        .parameters([in_path("product_id", schemas::product_id())])
        .answer(
            200,
            Answer::json::<ProductView<'_>>("The product with each vendor's part."),
        )
        .problems(&[ProblemKind::NotFound])
}
