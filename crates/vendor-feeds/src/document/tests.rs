//! Valid documents, and the errors of invalid documents.

use super::*;

fn format(items: &str, as_of: Option<&str>) -> FeedFormat {
    let pointer = |text: &str| PointerBuf::parse(text).unwrap();
    FeedFormat {
        items: pointer(items),
        product_id: pointer("/productId"),
        quantity: pointer("/quantity"),
        as_of: as_of.map(pointer),
    }
}

fn parse(document: &str) -> Result<Report, String> {
    format("", None).parse(ReportKind::Full, document.as_bytes())
}

fn quantities(report: &Report) -> Vec<(&str, u32)> {
    let quantities = report.quantities().iter();
    quantities
        .map(|(id, units)| (id.as_str(), *units))
        .collect()
}

#[test]
fn product_ids_are_strings_or_integers() {
    let report = parse(
        r#"[{"productId":"1","quantity":50,"colour":["red"]},{"quantity":2147483647,"productId":2},
            {"productId":18446744073709551615,"quantity":0}]"#,
    )
    .unwrap();
    let expected = [("1", 50), ("18446744073709551615", 0), ("2", 2_147_483_647)];
    assert_eq!(quantities(&report), expected);
    assert_eq!(parse("[]").unwrap().quantities().len(), 0);
}

#[test]
fn error_names_the_item_and_the_problem() {
    for (value, shown) in [
        ("-5", "-5"),
        ("3.0", "3.0"),
        ("1e2", "100.0"),
        ("\"3\"", "\"3\""),
        ("null", "null"),
        ("true", "true"),
        ("[1]", "[1]"),
        ("2147483648", "2147483648"),
        ("99999999999999999999", "1e+20"),
    ] {
        let document =
            format!(r#"[{{"productId":"1","quantity":1}},{{"productId":"2","quantity":{value}}}]"#);
        let expected =
            format!("item 1: /quantity is {shown}, expected an integer from 0 to 2147483647");
        assert_eq!(parse(&document).unwrap_err(), expected);
    }
    let not_an_id = "expected a string or an integer";
    let control = "it must not contain control characters";
    for (value, problem) in [
        ("1.5", format!("1.5, {not_an_id}")),
        ("null", format!("null, {not_an_id}")),
        ("{}", format!("{{}}, {not_an_id}")),
        ("\" \"", "\" \": it must not be blank".to_owned()),
        ("\"a\\u0000\"", format!("\"a\\u0000\": {control}")),
    ] {
        let document = format!(r#"[{{"productId":{value},"quantity":1}}]"#);
        let expected = format!("item 0: /productId is {problem}");
        assert_eq!(parse(&document).unwrap_err(), expected);
    }
    let twice = r#"[{"productId":"1","quantity":1},{"productId":1,"quantity":1}]"#;
    for (document, expected) in [
        (r#"[{"quantity":1}]"#, "item 0: /productId is missing"),
        (r#"[{"productId":"1"}]"#, "item 0: /quantity is missing"),
        ("[7]", "item 0: /productId is missing"),
        (twice, "product 1 is listed twice"),
    ] {
        let problem = parse(document).unwrap_err();
        assert!(problem.starts_with(expected), "{document}: {problem}");
    }
}

#[test]
fn duplicate_member_in_an_item_is_rejected() {
    let items = |more: &str| {
        format!(r#"[{{"productId":"A","quantity":1}},{{"productId":"B","quantity":7,{more}]"#)
    };
    for (more, name) in [
        (r#""quantity":0}"#, "quantity"),
        (r#""productId":"B"}"#, "productId"),
        (r#""\u0071uantity":0}"#, "quantity"),
        (r#""more":{"x":1,"x":1}}"#, "x"),
    ] {
        let problem = parse(&items(more)).unwrap_err();
        assert_eq!(problem, format!("item 1: duplicate member {name}"));
    }
    let not_json = items(r#""quantity":0},oops"#);
    assert!(parse(&not_json).unwrap_err().contains("expected value"));
}

#[test]
fn document_that_is_not_a_list_is_rejected() {
    let long = format!("\"{}\"", "x".repeat(10_000));
    for (document, expected) in [
        ("{}", "expected a list"),
        ("null", "expected a list"),
        ("7", "expected a list"),
        (long.as_str(), "invalid type: string, expected a list"),
        ("", "EOF"),
        ("<html>", "expected value"),
        ("[{\"productId\":\"1\",\"quantity\":1}", "EOF"),
        ("[] []", "trailing characters"),
        ("[{\"quantity\":-1}, oops]", "expected value"),
        (&"[".repeat(1_000), "recursion limit"),
    ] {
        let problem = parse(document).unwrap_err();
        assert!(problem.contains(expected), "{document}: {problem}");
        assert!(problem.chars().count() < 300, "{problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }
    let not_utf8 = b"[{\"productId\":\"\xff\",\"quantity\":1}]";
    let parsed = format("", None).parse(ReportKind::Full, not_utf8);
    assert!(parsed.is_err());
}

#[test]
fn long_value_is_truncated_and_escaped() {
    let long = "\u{9b}".repeat(500);
    let document = format!(r#"[{{"productId":"1","quantity":"{long}\n"}}]"#);
    let problem = parse(&document).unwrap_err();
    assert!(problem.chars().count() < 160, "{problem}");
    assert!(!problem.contains(char::is_control), "{problem}");
    let end = "expected an integer from 0 to 2147483647";
    assert!(problem.ends_with(end), "{problem}");
}

#[test]
fn list_may_be_nested() {
    let document =
        br#"{"meta":{"n":1},"data":[{"rows":[{"productId":"1","quantity":5}]}],"more":[{}]}"#;
    let report = format("/data/0/rows", None).parse(ReportKind::Delta, document);
    let report = report.unwrap();
    assert_eq!(quantities(&report), [("1", 5)]);
    assert_eq!(report.kind(), ReportKind::Delta);
    let missing = format("/data/rows", None).parse(ReportKind::Full, document);
    let problem = missing.unwrap_err();
    assert_eq!(problem, "/data/rows is missing, expected a list");
    let twice = format("/a", None).parse(ReportKind::Full, br#"{"a":[],"a":[]}"#);
    assert!(twice.unwrap_err().contains("duplicate"));
}

#[test]
fn as_of_of_the_document_is_used_and_must_be_valid() {
    let format = format("/items", Some("/as_of"));
    let as_of = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z").unwrap();
    let document = br#"{"items":[],"as_of":"2026-11-23T13:00:00+01:00"}"#;
    let report = format.parse(ReportKind::Full, document).unwrap();
    assert_eq!(report.as_of(), Some(as_of));
    for (invalid, found) in [
        (r#"{"items":[]}"#, "missing"),
        (r#"{"items":[],"as_of":null}"#, "null"),
        (r#"{"items":[],"as_of":1763899200}"#, "1763899200"),
        (r#"{"items":[],"as_of":"yesterday"}"#, "\"yesterday\""),
    ] {
        let parsed = format.parse(ReportKind::Full, invalid.as_bytes());
        let problem = parsed.unwrap_err();
        let expected = format!("/as_of is {found}, expected a date and time");
        assert!(problem.starts_with(&expected), "{problem}");
    }
}
