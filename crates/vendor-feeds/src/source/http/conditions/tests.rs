//! Reliable validators, and the requests that send them.

use super::*;

const DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (name.clone(), value)
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}

fn conditions() -> Conditions {
    conditions_of("settings")
}

fn conditions_of(settings: &str) -> Conditions {
    Conditions::new(VendorId::parse("v").unwrap(), settings.to_owned())
}

/// The reliable `ETag` and `Last-Modified` of a response.
fn reliable(fields: &[(HeaderName, &str)]) -> (Option<String>, Option<String>) {
    let found = conditions().validators(&url("http://v/"), &headers(fields));
    found.map_or((None, None), |it| (it.etag, it.last_modified))
}

#[test]
fn strong_tag_is_reliable_and_others_are_not() {
    for (etag, is_reliable) in [
        (r#""1""#, true),
        (r#""a b""#, true),
        (r#"W/"1""#, false),
        (r#"w/"1""#, false),
        (r#""1-gzip""#, false),
        (r#""1--gzip""#, false),
        (r#""1-br""#, false),
        (r#""""#, false),
        ("\"", false),
        ("1", false),
        (r#""1", "2""#, false),
        ("\"\u{fc}\"", false),
    ] {
        let (found, _) = reliable(&[(ETAG, etag)]);
        assert_eq!(found.as_deref(), is_reliable.then_some(etag), "{etag}");
    }
    let longest = format!("\"{}\"", "e".repeat(253));
    assert_eq!(reliable(&[(ETAG, &longest)]).0, Some(longest.clone()));
    let longer = format!("\"{}\"", "e".repeat(254));
    assert_eq!(reliable(&[(ETAG, &longer)]).0, None);
    assert_eq!(reliable(&[(ETAG, "\"1\""), (ETAG, "\"2\"")]).0, None);
    assert_eq!(reliable(&[]), (None, None));
}

#[test]
fn time_is_reliable_from_two_seconds_before_the_response() {
    use reqwest::header::{AGE, CACHE_CONTROL, DATE as DATE_HEADER};

    let at = |second: u32| format!("Mon, 23 Nov 2026 11:59:{second:02} GMT");
    let strong = (ETAG, "\"1\"");
    for (modified, others, is_reliable) in [
        (at(58), &[(DATE_HEADER, DATE)][..], true),
        (at(59), &[(DATE_HEADER, DATE)], false),
        (DATE.to_owned(), &[(DATE_HEADER, DATE)], false),
        // Of a file whose time is in the future.
        (
            "Mon, 23 Nov 2026 13:00:00 GMT".to_owned(),
            &[(DATE_HEADER, DATE)],
            false,
        ),
        (at(0), &[], false),
        (at(0), &[(DATE_HEADER, "now")], false),
        ("now".to_owned(), &[(DATE_HEADER, DATE)], false),
        (at(50), &[(DATE_HEADER, DATE), (AGE, "8")], true),
        (at(50), &[(DATE_HEADER, DATE), (AGE, "9")], false),
        (
            at(50),
            &[(DATE_HEADER, DATE), (CACHE_CONTROL, "max-age=9")],
            false,
        ),
        (at(50), &[(DATE_HEADER, DATE), (LAST_MODIFIED, DATE)], false),
    ] {
        let mut fields = vec![(LAST_MODIFIED, modified.as_str())];
        fields.extend_from_slice(others);
        let expected = is_reliable.then(|| modified.clone());
        assert_eq!(reliable(&fields), (None, expected.clone()), "{fields:?}");
        // A tag that may be made of the time is as reliable as the time.
        fields.push(strong.clone());
        let tag = is_reliable.then(|| strong.1.to_owned());
        assert_eq!(reliable(&fields), (tag, expected), "{fields:?}");
    }
}

#[test]
fn condition_is_sent_with_the_same_settings_to_the_same_url_only() {
    let known = Validators {
        last_modified: Some(DATE.to_owned()),
        ..conditions()
            .validators(&url("http://v/a"), &headers(&[(ETAG, "\"1\"")]))
            .unwrap()
    };
    let sent = conditions().headers(&known, &url("http://v/a"));
    let expected = headers(&[(IF_NONE_MATCH, "\"1\""), (IF_MODIFIED_SINCE, DATE)]);
    assert_eq!(sent, Some(expected));
    for other in ["http://v/b", "http://w/a", "http://v/a?b"] {
        assert_eq!(conditions().headers(&known, &url(other)), None);
    }
    let changed = conditions_of("other");
    assert_eq!(changed.headers(&known, &url("http://v/a")), None);
    let only_time = Validators {
        etag: None,
        ..known
    };
    let sent = conditions().headers(&only_time, &url("http://v/a"));
    assert_eq!(sent, Some(headers(&[(IF_MODIFIED_SINCE, DATE)])));
}

#[test]
fn response_that_names_another_version_is_recognized() {
    let known = |etag: Option<&str>, modified: Option<&str>| Validators {
        scope: String::new(),
        etag: etag.map(str::to_owned),
        last_modified: modified.map(str::to_owned),
    };
    let other_date = "Mon, 23 Nov 2026 11:00:00 GMT";
    let both = known(Some("\"1\""), Some(DATE));
    for (known, fields, is_other) in [
        (&both, &[][..], false),
        (&both, &[(ETAG, "\"1\""), (LAST_MODIFIED, DATE)], false),
        // As by a server that compresses.
        (&both, &[(ETAG, "W/\"1\"")], false),
        (&both, &[(ETAG, "\"2\"")], true),
        (&both, &[(ETAG, "\"1\""), (ETAG, "\"1\"")], true),
        (&both, &[(ETAG, "\"1\""), (LAST_MODIFIED, other_date)], true),
        // A restored file, whose time is older.
        (&known(None, Some(DATE)), &[(ETAG, "\"2\"")], true),
        (&known(None, Some(DATE)), &[], true),
        (&known(None, Some(DATE)), &[(LAST_MODIFIED, DATE)], false),
        (
            &known(Some("\"1\""), None),
            &[(LAST_MODIFIED, other_date)],
            false,
        ),
    ] {
        let found = is_of_another_version(known, &headers(fields));
        assert_eq!(found, is_other, "{fields:?}");
    }
}
