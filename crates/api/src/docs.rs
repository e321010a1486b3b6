//! The contract, as an OpenAPI document and as an interactive page.
//!
//! The page is Swagger UI, whose files are compiled into this program; nothing is loaded from other hosts.

use std::fmt::Write as _;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpRequest, HttpResponse};

use crate::contract;
use crate::problem::{Problem, ProblemKind};
use crate::request::path;
use crate::response_headers::PAGE_POLICY;

/// `Cache-Control` of the files, which change only with the program.
const CACHE_FILES: &str = "max-age=3600";

/// A file that the page loads.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    text: &'static str,
}

/// The files that the page loads, and the licenses of Swagger UI.
pub(crate) const FILES: [File; 5] = [
    File {
        name: "start.js",
        media_type: "text/javascript",
        text: include_str!("docs/start.js"),
    },
    File {
        name: "swagger-ui.css",
        media_type: "text/css",
        text: include_str!("../assets/swagger-ui/swagger-ui.css"),
    },
    File {
        name: "swagger-ui-bundle.js",
        media_type: "text/javascript",
        text: include_str!("../assets/swagger-ui/swagger-ui-bundle.js"),
    },
    File {
        name: "swagger-ui-bundle.js.LICENSE.txt",
        media_type: "text/plain",
        text: include_str!("../assets/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
    },
    File {
        name: "LICENSE",
        media_type: "text/plain",
        text: include_str!("../assets/swagger-ui/LICENSE"),
    },
];

/// `GET /openapi.json`.
pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(contract::document_text())
}

/// `GET /docs`.
pub(crate) async fn show() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .body(page())
}

/// `GET /docs/{file}`.
pub(crate) async fn file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = path::segment(&request)?;
    let file = FILES
        .iter()
        .find(|file| file.name == name)
        .ok_or_else(|| Problem::not_found("no such file"))?;
    Ok(HttpResponse::Ok()
        .content_type(format!("{}; charset=utf-8", file.media_type))
        .insert_header((CACHE_CONTROL, CACHE_FILES))
        .body(file.text))
}

/// The HTML page: the root element of Swagger UI, which contains links for browsers without scripts.
fn page() -> String {
    let mut problems = String::new();
    for kind in ProblemKind::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(
            problems,
            "<li><a href=\"{}\">{}</a>: {}</li>",
            kind.type_uri(),
            kind.slug(),
            kind.title()
        );
    }
    include_str!("docs/page.html").replace("<!-- problems -->", problems.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_links_every_problem() {
        let page = page();
        for kind in ProblemKind::ALL {
            let link = format!("href=\"/problems/{}\"", kind.slug());
            assert!(page.contains(&link), "{}", kind.slug());
        }
    }
}
