//! The contract, as an OpenAPI document and as an interactive page.
//!
//! The page is Swagger UI, whose files are compiled into this program; nothing is loaded from other hosts.

use std::fmt::Write as _;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};

use crate::middleware::response_headers::PAGE_POLICY;
use crate::openapi::parameters::in_path;
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::path;

const TAG: &str = "service";

/// `Cache-Control` of the files, which change only with the program.
const CACHE_FILES: &str = "max-age=3600";

/// A file that the page loads.
struct File {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

/// The files that the page loads, and the licenses of Swagger UI.
const FILES: [File; 5] = [
    File {
        name: "start.js",
        media_type: "text/javascript",
        text: include_str!("docs/start.js"),
    },
    File {
        name: "swagger-ui.css",
        media_type: "text/css",
        text: include_str!("../../assets/swagger-ui/swagger-ui.css"),
    },
    File {
        name: "swagger-ui-bundle.js",
        media_type: "text/javascript",
        text: include_str!("../../assets/swagger-ui/swagger-ui-bundle.js"),
    },
    File {
        name: "swagger-ui-bundle.js.LICENSE.txt",
        media_type: "text/plain",
        text: include_str!("../../assets/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
    },
    File {
        name: "LICENSE",
        media_type: "text/plain",
        text: include_str!("../../assets/swagger-ui/LICENSE"),
    },
];

/// The text of the OpenAPI document.
pub(crate) struct DocumentText(pub(crate) &'static str);

/// `GET /openapi.json`.
pub(crate) async fn document(document: Data<DocumentText>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(document.0)
}

/// The contract of `GET /openapi.json`.
pub(crate) fn document_contract() -> Contract {
    let document = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    Contract::new("show_openapi", TAG, "Get the OpenAPI document")
        .description("Returns this document.")
        .response(
            200,
            ResponseSpec::empty("The OpenAPI document.").content("application/json", document),
        )
}

/// `GET /docs`.
pub(crate) async fn show() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .body(page())
}

/// The contract of `GET /docs`.
pub(crate) fn show_contract() -> Contract {
    Contract::new("show_docs", TAG, "Get the interactive documentation")
        .description("Returns a page that shows this document and sends requests from the browser.")
        .response(200, ResponseSpec::html("The page."))
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

/// The contract of `GET /docs/{file}`.
pub(crate) fn file_contract() -> Contract {
    let name = schemas::string().examples([json!("start.js")]);
    let files = FILES
        .iter()
        .fold(ResponseSpec::empty("The file."), |response, file| {
            response.content(file.media_type, schemas::string())
        });
    Contract::new("show_docs_file", TAG, "Get a file of the documentation")
        .description("Returns a script, style sheet or license of the interactive documentation.")
        .parameters([in_path("file", name)])
        .response(200, files)
        .problems(&[ProblemKind::MalformedRequest, ProblemKind::NotFound])
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
