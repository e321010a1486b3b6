//! Content negotiation of lists (RFC 9110, section 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::Version;
use actix_web::http::header::{Accept, Header as _, Quality};

/// The specificity of a media range. The most specific matching range applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    /// `*/*`
    Any,
    /// `application/*`
    Type,
    /// The type itself.
    Exact,
}

/// Whether the client prefers JSON lines to a page.
///
/// The default is a page, also if `Accept` is missing, malformed or matches neither format. Lines need a higher weight than
/// a page, or the same weight and a more specific range. A client of HTTP/1.0 always gets a page, because it cannot
/// distinguish an aborted response from a complete one.
pub(crate) fn prefers_lines(request: &HttpRequest) -> bool {
    if request.version() < Version::HTTP_11 {
        return false;
    }
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let lines = weight(&accept, "x-ndjson");
    let page = weight(&accept, "json");
    lines.is_some_and(|(quality, _)| quality > Quality::ZERO) && lines > page
}

/// The weight of `application/<subtype>`; `None` if no range matches.
fn weight(accept: &Accept, subtype: &str) -> Option<(Quality, Specificity)> {
    let ranges = accept.iter().filter_map(|range| {
        let (main_type, subtype_name) = (range.item.type_(), range.item.subtype());
        let specificity = match (main_type.as_str(), subtype_name.as_str()) {
            ("*", "*") => Specificity::Any,
            ("application", "*") => Specificity::Type,
            // A suffix makes a different type, such as application/x-ndjson+zip.
            ("application", subtype_name)
                if subtype_name == subtype && range.item.suffix().is_none() =>
            {
                Specificity::Exact
            }
            _ => return None,
        };
        Some((specificity, range.quality))
    });
    ranges
        .max()
        .map(|(specificity, quality)| (quality, specificity))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn lines(accept: &[&str]) -> bool {
        let request = accept.iter().fold(TestRequest::get(), |request, line| {
            request.append_header(("Accept", *line))
        });
        prefers_lines(&request.to_http_request())
    }

    #[test]
    fn lines_are_sent_if_preferred_to_a_page() {
        for accept in [
            &["application/x-ndjson"][..],
            &["Application/X-NDJSON; q=0.001"],
            &["application/x-ndjson; charset=utf-8"],
            &["application/json;q=0.9, application/x-ndjson"],
            &["application/json;q=0.5", "application/x-ndjson;q=0.6"],
            &["application/x-ndjson, */*"],
            &["application/x-ndjson, application/*"],
            &["text/html, application/x-ndjson, application/problem+json"],
            &["application/json;q=0, */*"],
            &["no media type, application/x-ndjson"],
        ] {
            assert!(lines(accept), "{accept:?}");
        }
    }

    #[test]
    fn page_is_the_default() {
        for accept in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/*"],
            &["application/json"],
            &["application/x-ndjson, application/json"],
            &["application/x-ndjson;q=0.5, application/json;q=0.6"],
            &["application/x-ndjson;q=0.5, */*"],
            &["application/x-ndjson;q=0"],
            &["application/x-ndjson;q=0, */*"],
            &["application/x-ndjson;q=2"],
            &["application/x-ndjson+zip"],
            &["text/x-ndjson"],
            &["text/html"],
            &["no media type"],
        ] {
            assert!(!lines(accept), "{accept:?}");
        }
    }

    #[test]
    fn http_1_0_client_gets_a_page() {
        let request = TestRequest::get()
            .append_header(("Accept", "application/x-ndjson"))
            .version(Version::HTTP_10)
            .to_http_request();
        assert!(!prefers_lines(&request));
    }
}
