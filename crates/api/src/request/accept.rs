//! What a client wants a list as (RFC 9110, section 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::Version;
use actix_web::http::header::{Accept, Header as _, Quality};

/// How closely a media range names a type: the closest range is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    /// `*/*`
    Anything,
    /// `application/*`
    Family,
    /// The type itself.
    Exact,
}

/// Whether the list is to be lines of JSON and not a page.
///
/// A page is the default: it is what a client gets that says nothing, says something that cannot be read, or would
/// take neither. Lines must be wanted more, by weight, or if the weights are equal by being named more closely. A client of
/// HTTP/1.0 gets a page in any case: it could not tell an answer that broke off from a complete one.
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

/// What the client makes of `application/<subtype>`; nothing if no range covers it.
fn weight(accept: &Accept, subtype: &str) -> Option<(Quality, Closeness)> {
    let ranges = accept.iter().filter_map(|range| {
        let (family, member) = (range.item.type_(), range.item.subtype());
        let closeness = match (family.as_str(), member.as_str()) {
            ("*", "*") => Closeness::Anything,
            ("application", "*") => Closeness::Family,
            // A suffix is another type: application/x-ndjson+zip is none of ours.
            ("application", member) if member == subtype && range.item.suffix().is_none() => {
                Closeness::Exact
            }
            _ => return None,
        };
        Some((closeness, range.quality))
    });
    ranges
        .max()
        .map(|(closeness, quality)| (quality, closeness))
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
    fn lines_are_for_those_who_want_them_more_than_a_page() {
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
    fn all_others_get_a_page() {
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
    fn whoever_could_not_see_that_an_answer_broke_off_gets_a_page() {
        let request = TestRequest::get()
            .append_header(("Accept", "application/x-ndjson"))
            .version(Version::HTTP_10)
            .to_http_request();
        assert!(!prefers_lines(&request));
    }
}
