//! Path segments, decoded from the path as sent, because the router's decoding is not reversible.

use actix_web::HttpRequest;
use domain::identifiers::{OrderId, ProductId, VendorId};

use super::url_text;
use crate::problem::Problem;

/// The last segment, decoded. `%2F` is decoded to a slash within the segment.
pub(crate) fn segment(request: &HttpRequest) -> Result<String, Problem> {
    decoded(request.uri().path().rsplit('/').next())
}

fn decoded(encoded: Option<&str>) -> Result<String, Problem> {
    url_text::decode(encoded.unwrap_or_default())
        .map_err(|error| Problem::malformed(format!("the path {}", error.detail())))
}

/// The order id in the path; `None` if it is an integer but not a possible order id.
pub(crate) fn order_id(request: &HttpRequest) -> Result<Option<OrderId>, Problem> {
    let text = segment(request)?;
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::malformed(
            "the order id in the path is not an integer",
        ));
    }
    Ok(text.parse().ok().filter(|id| *id > 0).map(OrderId))
}

/// The product id in the path.
pub(crate) fn product_id(request: &HttpRequest) -> Result<ProductId, Problem> {
    ProductId::parse_stored(segment(request)?)
        .map_err(|error| Problem::malformed(format!("the product id in the path {error}")))
}

/// The vendor id in a path below `/api/v1/vendors/{vendor_id}/`.
pub(crate) fn vendor_id(request: &HttpRequest) -> Result<VendorId, Problem> {
    let below = request.uri().path().strip_prefix("/api/v1/vendors/");
    VendorId::parse(decoded(below.and_then(|rest| rest.split('/').next()))?)
        .map_err(|error| Problem::malformed(format!("the vendor id in the path {error}")))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn id_of(path: &str) -> Result<Option<i64>, ()> {
        let request = TestRequest::with_uri(path).to_http_request();
        order_id(&request)
            .map(|id| id.map(|id| id.0))
            .map_err(|_| ())
    }

    #[test]
    fn order_id_must_be_an_integer() {
        assert_eq!(id_of("/orders/42"), Ok(Some(42)));
        assert_eq!(id_of("/orders/%34%32"), Ok(Some(42)));
        assert_eq!(id_of("/orders/9223372036854775807"), Ok(Some(i64::MAX)));
        for no_order in [
            "0",
            "-1",
            "-0",
            "9223372036854775808",
            "-99999999999999999999",
        ] {
            assert_eq!(
                id_of(&format!("/orders/{no_order}")),
                Ok(None),
                "{no_order}"
            );
        }
        for invalid in [
            "x", "4.0", "+4", "1e2", "-", "--1", "4%20", "%", "%ff", "%D9%A3",
        ] {
            assert_eq!(id_of(&format!("/orders/{invalid}")), Err(()), "{invalid}");
        }
    }
}
