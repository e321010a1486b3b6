//! The header `Link` (RFC 8288).

use reqwest::header::{HeaderMap, LINK};

use crate::excerpt::excerpt;

/// The targets of the links with the relation `next`. The error is one line.
pub(super) fn next_links(headers: &HeaderMap) -> Result<Vec<String>, String> {
    let mut links = Vec::new();
    for value in headers.get_all(LINK) {
        let field = String::from_utf8_lossy(value.as_bytes());
        let found = next_links_of(&field).ok_or_else(|| {
            let shown = excerpt(&field);
            format!("the header Link is {shown}, in which a target or a text does not end")
        })?;
        links.extend(found.into_iter().map(ToOwned::to_owned));
    }
    Ok(links)
}

/// The targets in one field; `None` if `<` or a quotation mark is not closed. The text between them may contain separators.
fn next_links_of(field: &str) -> Option<Vec<&str>> {
    let mut rest = field;
    let mut target = None;
    let mut links = Vec::new();
    while !rest.is_empty() {
        rest = match rest.as_bytes()[0] {
            b'<' => {
                let (found, rest) = rest[1..].split_once('>')?;
                target = Some(found);
                rest
            }
            b';' => {
                let parameter = rest[1..].trim_start();
                let (value, after) = match parameter.split_once('=') {
                    Some((name, value)) if name.trim().eq_ignore_ascii_case("rel") => {
                        parameter_value(value.trim_start())?
                    }
                    // The value of another parameter is skipped like any other text.
                    _ => ("", parameter),
                };
                let mut relations = value.split_ascii_whitespace();
                if relations.any(|relation| relation.eq_ignore_ascii_case("next")) {
                    links.extend(target);
                }
                after
            }
            b'"' => parameter_value(rest)?.1,
            _ => {
                let mut chars = rest.chars();
                chars.next();
                chars.as_str()
            }
        };
    }
    Some(links)
}

/// Splits a text into a parameter's value, quoted or not, and the text after it. In quotation marks, a backslash precedes a
/// character that does not end the value (RFC 9110, section 5.6.4).
fn parameter_value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(text.split_at(text.find([';', ',']).unwrap_or(text.len())));
    };
    let mut is_escaped = false;
    let end = quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((&quoted[..end], &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_the_relation_next_are_found() {
        for (field, expected) in [
            (
                "<http://v/s?page=2>; rel=\"next\"",
                &["http://v/s?page=2"][..],
            ),
            ("<http://v/s?page=2>;rel=next", &["http://v/s?page=2"]),
            ("</2>; title=\"a;b,c\"; REL=\"last NEXT\"", &["/2"]),
            ("</1>; rel=\"prev\", </3>; rel=\"next\"", &["/3"]),
            ("</;rel=prev,>; rel = next", &["/;rel=prev,"]),
            ("</a>; rel=next, </b>; rel=next", &["/a", "/b"]),
            ("<?after=x,y>; rel=next", &["?after=x,y"]),
            ("<>; rel=next", &[""]),
            ("<http://v/s?page=1>; rel=\"prev\"", &[]),
            ("<http://v/;rel=next>; rel=\"self\"", &[]),
            ("</style.css>; rel=preload; title=\"; rel=next\"", &[]),
            ("</next>; rel=\"nextcloud\"", &[]),
            (
                "</1>; rel=prev; title=\"5\\\" disk\", </3>; rel=next",
                &["/3"],
            ),
            ("</1>; title=\"\\\\\"; rel=next", &["/1"]),
            ("; rel=next", &[]),
        ] {
            assert_eq!(next_links_of(field).unwrap(), expected, "{field}");
        }
        for field in ["<unclosed; rel=next", "</1>; title=\"a\\\", </3>; rel=next"] {
            assert_eq!(next_links_of(field), None, "{field}");
        }
    }

    #[test]
    fn links_of_all_fields_are_found() {
        let mut headers = HeaderMap::new();
        for value in ["</1>; rel=prev", "</3>; rel=next"] {
            headers.append(LINK, value.parse().unwrap());
        }
        assert_eq!(next_links(&headers).unwrap(), ["/3"]);
        headers.append(LINK, "</4".parse().unwrap());
        assert_eq!(
            next_links(&headers).unwrap_err(),
            "the header Link is </4, in which a target or a text does not end"
        );
    }
}
