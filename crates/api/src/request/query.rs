//! Query parameters: each known, each at most once.

use actix_web::HttpRequest;

use super::url_text;
use crate::problem::Problem;

/// Most items that a client may ask for at a time.
pub(crate) const MAX_LIMIT: u32 = 1_000;

/// The parameters of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a request's parameters; one that is not among `known`, or that stands there twice, is refused: a filter
    /// that is misspelt must not list everything.
    pub(crate) fn parse(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in request
            .query_string()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = url_text::decode_form(name)
                .map_err(|wrong| Problem::malformed(format!("the query {}", wrong.detail())))?;
            if !known.contains(&name.as_str()) {
                return Err(Problem::malformed(format!(
                    "there is no query parameter {name:?} here"
                )));
            }
            if parameters.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::malformed(format!(
                    "the query parameter {name} is given twice"
                )));
            }
            let value = url_text::decode_form(value)
                .map_err(|wrong| unacceptable(&name, wrong.detail()))?;
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Makes sure that there are none.
    pub(crate) fn refuse_any(request: &HttpRequest) -> Result<(), Problem> {
        Self::parse(request, &[]).map(drop)
    }

    /// A parameter's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// How many items the client wants at most, if it says.
    pub(crate) fn limit(&self) -> Result<Option<u32>, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(None);
        };
        Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .map(Some)
            .ok_or_else(|| unacceptable("limit", "must be an integer from 1 to 1000"))
    }
}

/// A parameter whose value is not acceptable.
pub(crate) fn unacceptable(name: &str, detail: &str) -> Problem {
    Problem::malformed(format!("the query parameter {name} {detail}"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn parse(query: &str) -> Result<Query, Problem> {
        let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        Query::parse(&request, &["limit", "product_id"])
    }

    #[test]
    fn reads_known_parameters() {
        let query = parse("product_id=a%20b%2Bc&&limit=7").unwrap();
        assert_eq!(query.get("product_id"), Some("a b+c"));
        assert_eq!(query.limit(), Ok(Some(7)));
        assert_eq!(parse("").unwrap().limit(), Ok(None));
    }

    #[test]
    fn refuses_unknown_repeated_and_undecodable_ones() {
        for wrong in [
            "x=1",
            "limit=1&limit=1",
            "limit=%",
            "product_id=%ff",
            "%zz=1",
            "Limit=1",
            "=1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_one_to_a_thousand() {
        assert_eq!(parse("limit=1000").unwrap().limit(), Ok(Some(1_000)));
        for wrong in [
            "",
            "0",
            "1001",
            "-1",
            "+1",
            "1.0",
            "ten",
            "99999999999999999999",
            "%201",
        ] {
            assert!(
                parse(&format!("limit={wrong}")).unwrap().limit().is_err(),
                "{wrong}"
            );
        }
    }
}
