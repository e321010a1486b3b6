//! Valid, malformed and repeated headers.

use super::*;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn times(fields: &[(&'static str, &str)]) -> ResponseTimes {
    response_times(&headers(fields))
}

#[expect(clippy::unnecessary_wraps, reason = "compared with optional values")]
fn at(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse_rfc3339(text).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "compared with optional values")]
fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn dates_are_parsed_in_each_format_and_ignored_if_malformed() {
    for text in [
        "Mon, 23 Nov 2026 12:00:00 GMT",
        "Monday, 23-Nov-26 12:00:00 GMT",
        "Mon Nov 23 12:00:00 2026",
    ] {
        let read = times(&[("date", text), ("last-modified", text)]);
        assert_eq!(read.date, at("2026-11-23T12:00:00Z"), "{text}");
        assert_eq!(read.last_modified, read.date);
    }
    assert_eq!(times(&[("date", "today")]), ResponseTimes::default());
}

#[test]
fn earliest_of_repeated_dates_is_used_and_malformed_last_modified_is_unusable() {
    let early = "Mon, 23 Nov 2026 11:00:00 GMT";
    let late = "Mon, 23 Nov 2026 12:00:00 GMT";
    let read = times(
        &["date", "last-modified"]
            .map(|name| [(name, late), (name, early)])
            .concat(),
    );
    assert_eq!(read.date, at("2026-11-23T11:00:00Z"));
    assert_eq!(read.last_modified, read.date);
    assert!(!read.is_last_modified_unusable);
    assert!(times(&[("last-modified", "yesterday")]).is_last_modified_unusable);
    let mixed = times(&[("last-modified", late), ("last-modified", "yesterday")]);
    assert!(mixed.is_last_modified_unusable);
}

#[test]
fn age_is_the_first_of_a_list_and_capped() {
    for (text, expected) in [
        ("0", secs(0)),
        ("90", secs(90)),
        (" 5, 10", secs(5)),
        ("2147483648", Some(MAX_AGE)),
        ("18446744073709551615", Some(MAX_AGE)),
        ("99999999999999999999999", Some(MAX_AGE)),
        ("old", Some(MAX_AGE)),
        ("-1", Some(MAX_AGE)),
        ("+1", Some(MAX_AGE)),
        ("1.5", Some(MAX_AGE)),
        ("", Some(MAX_AGE)),
    ] {
        assert_eq!(times(&[("age", text)]).age, expected, "{text}");
    }
    assert_eq!(times(&[("age", "7"), ("age", "9")]).age, secs(7));
    assert_eq!(times(&[]).age, None);
}

#[test]
fn freshness_follows_cache_control_and_expires() {
    let control = |values: &[&'static str]| -> Vec<_> {
        values
            .iter()
            .map(|value| ("cache-control", *value))
            .collect()
    };
    let date = ("date", "Mon, 23 Nov 2026 12:00:00 GMT");
    let expires = |value| vec![date, ("expires", value)];
    for (fields, expected) in [
        (control(&["max-age=60"]), secs(60)),
        (control(&["public, Max-Age = \"60\""]), secs(60)),
        (control(&["max-age=60, s-maxage=5"]), secs(5)),
        (control(&["max-age=60", "max-age=90"]), secs(90)),
        (control(&["max-age=99999999999999999999"]), Some(MAX_AGE)),
        (control(&["no-cache, max-age=60"]), secs(0)),
        (control(&["no-store"]), secs(0)),
        (control(&["no-cache=\"set-cookie\", max-age=60"]), secs(60)),
        (control(&["max-age=soon"]), None),
        (control(&["private"]), None),
        (expires("Mon, 23 Nov 2026 12:05:00 GMT"), secs(300)),
        (expires("Mon, 23 Nov 2026 11:00:00 GMT"), secs(0)),
        (expires("0"), secs(0)),
        ([expires("0"), control(&["max-age=9"])].concat(), secs(9)),
        (vec![], None),
    ] {
        assert_eq!(times(&fields).freshness, expected, "{fields:?}");
    }
}

#[test]
fn etag_is_kept_verbatim_and_truncated() {
    let tag = |text: &str| times(&[("etag", text)]).etag;
    assert_eq!(tag("W/\"a b\""), Some("W/\"a b\"".to_owned()));
    assert_eq!(tag(""), None);
    assert_eq!(tag(&"x".repeat(10_000)).unwrap().len(), MAX_ETAG_CHARS);
}

#[test]
fn partial_response_is_rejected_with_the_name_of_the_header() {
    for (name, value) in [
        ("link", "<http://v/s?page=2>; rel=\"next\""),
        ("content-range", "items 0-0/2"),
        ("content-range", "items 1-1/2"),
        ("content-range", "items 0-49/*"),
        ("content-range", "bytes */2"),
        ("content-range", "0-0/0"),
    ] {
        let problem = reject_partial(&headers(&[(name, value)])).unwrap_err();
        assert!(problem.to_lowercase().contains(name), "{value}: {problem}");
        assert!(problem.contains("source.pages"), "{problem}");
    }
    for (name, value) in [
        ("link", "<http://v/s?page=1>; rel=\"prev\""),
        ("content-range", "items 0-1/2"),
    ] {
        let result = reject_partial(&headers(&[(name, value)]));
        assert_eq!(result, Ok(()), "{value}");
    }
}
