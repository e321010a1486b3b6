//! Contracts of the stock endpoints.

use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::parameters::{in_path, paging, query};
use super::response::ResponseSpec;
use super::{Contract, schemas};
use crate::list;
use crate::problem::ProblemKind;
use crate::views::{ProductView, StockView};

const TAG: &str = "stock";

/// `GET /api/v1/stock`.
pub(crate) fn list() -> Contract {
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
        .parameters([query(
            "in_stock",
            in_stock,
            "`true`: only products with units available for sale.",
        )])
        .response(200, page)
}

/// `GET /api/v1/stock/{product_id}`.
pub(crate) fn show() -> Contract {
    Contract::new("show_product", TAG, "Get the stock of a product")
        .parameters([in_path("product_id", schemas::product_id())])
        .response(
            200,
            ResponseSpec::json::<ProductView<'_>>(
                "The stock of the product, in total and by vendor.",
            ),
        )
        .problems(&[ProblemKind::NotFound])
}
