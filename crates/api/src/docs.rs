//! The contract, as a page to read.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType};

use crate::answer_headers;

const PAGE: &str = include_str!("docs.html");

/// `GET /docs`.
pub(crate) async fn show() -> HttpResponse {
    static POLICY: LazyLock<String> = LazyLock::new(|| answer_headers::page_policy(PAGE));
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .body(PAGE)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;

    use super::*;
    use crate::problem::ProblemKind;

    #[actix_web::test]
    async fn the_page_names_the_problems_that_this_service_answers_with() {
        let response = show().await;
        let kind = response.headers().get(header::CONTENT_TYPE).unwrap();
        assert_eq!(kind, "text/html; charset=utf-8");
        for kind in ProblemKind::ALL {
            let link = format!("href=\"/problems/{}\"", kind.slug());
            assert!(PAGE.contains(&link), "{}", kind.slug());
        }
    }
}
