//! Query parameters. Unknown and repeated parameters are rejected.

use actix_web::HttpRequest;

use super::url_text;
use crate::problem::Problem;

/// Maximum `limit` of a list.
pub(crate) const MAX_LIMIT: u32 = 1_000;

/// The parameters of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the query of a request. A parameter that is not in `known` or is repeated is rejected, because a misspelt
    /// filter must not list everything.
    pub(crate) fn parse(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in request
            .query_string()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = url_text::decode_form(name)
                .map_err(|error| Problem::malformed(format!("the query {}", error.detail())))?;
            if !known.contains(&name.as_str()) {
                return Err(Problem::malformed(format!(
                    "unknown query parameter {name:?}"
                )));
            }
            if parameters.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::malformed(format!(
                    "the query parameter {name} is repeated"
                )));
            }
            let value =
                url_text::decode_form(value).map_err(|error| invalid(&name, error.detail()))?;
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Rejects any query parameter.
    pub(crate) fn refuse_any(request: &HttpRequest) -> Result<(), Problem> {
        Self::parse(request, &[]).map(drop)
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of `limit`, if present.
    pub(crate) fn limit(&self) -> Result<Option<u32>, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(None);
        };
        Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .map(Some)
            .ok_or_else(|| invalid("limit", "must be an integer from 1 to 1000"))
    }
}

/// A problem for a parameter with an invalid value.
pub(crate) fn invalid(name: &str, detail: &str) -> Problem {
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
    fn known_parameters_are_parsed() {
        let query = parse("product_id=a%20b%2Bc&&limit=7").unwrap();
        assert_eq!(query.get("product_id"), Some("a b+c"));
        assert_eq!(query.limit(), Ok(Some(7)));
        assert_eq!(parse("").unwrap().limit(), Ok(None));
    }

    #[test]
    fn unknown_repeated_and_undecodable_parameters_are_rejected() {
        for query in [
            "x=1",
            "limit=1&limit=1",
            "limit=%",
            "product_id=%ff",
            "%zz=1",
            "Limit=1",
            "=1",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn limit_is_one_to_a_thousand() {
        assert_eq!(parse("limit=1000").unwrap().limit(), Ok(Some(1_000)));
        for limit in [
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
                parse(&format!("limit={limit}")).unwrap().limit().is_err(),
                "{limit}"
            );
        }
    }
}
