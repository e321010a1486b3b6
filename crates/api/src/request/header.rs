//! Headers that are given once or not at all.

use actix_web::HttpRequest;

use crate::problem::Problem;

/// The header's text, if the request has it. Bytes beyond UTF-8 become characters that no rule of ours takes.
pub(crate) fn single(request: &HttpRequest, name: &str) -> Result<Option<String>, Problem> {
    let mut values = request.headers().get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let detail = format!("the {name} header is given twice");
        return Err(Problem::malformed(detail));
    }
    Ok(Some(String::from_utf8_lossy(value.as_bytes()).into_owned()))
}
