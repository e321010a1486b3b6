//! Headers that must not be repeated.

use actix_web::HttpRequest;

use crate::problem::Problem;

/// The value of a header, if present. Invalid UTF-8 is replaced by characters that no parser accepts.
pub(crate) fn single(request: &HttpRequest, name: &str) -> Result<Option<String>, Problem> {
    let mut values = request.headers().get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let detail = format!("the {name} header is repeated");
        return Err(Problem::malformed(detail));
    }
    Ok(Some(String::from_utf8_lossy(value.as_bytes()).into_owned()))
}
