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
    let quantity = |value: &str| {
        format!(r#"[{{"productId":"1","quantity":1}},{{"productId":"2","quantity":{value}}}]"#)
    };
    let product = |value: &str| format!(r#"[{{"productId":{value},"quantity":1}}]"#);
    let cases = [
        (
            quantity("-5"),
            "item 1: /quantity is -5, expected an integer from 0 to 2147483647",
        ),
        (
            quantity("3.0"),
            "item 1: /quantity is 3.0, expected an integer",
        ),
        (
            quantity("1e2"),
            "item 1: /quantity is 100.0, expected an integer",
        ),
        (
            quantity("\"3\""),
            "item 1: /quantity is \"3\", expected an integer",
        ),
        (
            quantity("null"),
            "item 1: /quantity is null, expected an integer",
        ),
        (
            quantity("true"),
            "item 1: /quantity is true, expected an integer",
        ),
        (
            quantity("[1]"),
            "item 1: /quantity is [1], expected an integer",
        ),
        (
            quantity("2147483648"),
            "item 1: /quantity is 2147483648, expected an integer",
        ),
        (
            quantity("99999999999999999999"),
            "item 1: /quantity is 1e+20, expected an integer",
        ),
        (
            product("1.5"),
            "item 0: /productId is 1.5, expected a string or an integer",
        ),
        (
            product("null"),
            "item 0: /productId is null, expected a string or an integer",
        ),
        (
            product("{}"),
            "item 0: /productId is {}, expected a string or an integer",
        ),
        (
            product("\" \""),
            "item 0: /productId is \" \": it must not be blank",
        ),
        (
            product("\"a\\u0000\""),
            "item 0: /productId is \"a\\u0000\": it must not contain control characters",
        ),
        (
            r#"[{"quantity":1}]"#.to_owned(),
            "item 0: /productId is missing, expected",
        ),
        (
            r#"[{"productId":"1"}]"#.to_owned(),
            "item 0: /quantity is missing, expected",
        ),
        ("[7]".to_owned(), "item 0: /productId is missing, expected"),
        (
            r#"[{"productId":"1","quantity":1},{"productId":1,"quantity":1}]"#.to_owned(),
            "product 1 is listed twice",
        ),
    ];
    for (document, expected) in cases {
        let problem = parse(&document).unwrap_err();
        assert!(problem.starts_with(expected), "{document}: {problem}");
    }
}

#[test]
fn duplicate_member_in_an_item_is_rejected() {
    let items = |last: &str| format!(r#"[{{"productId":"A","quantity":1}},{last}]"#);
    for (last, name) in [
        (r#"{"productId":"B","quantity":7,"quantity":0}"#, "quantity"),
        (
            r#"{"productId":"B","productId":"B","quantity":0}"#,
            "productId",
        ),
        (
            r#"{"productId":"B","quantity":7,"\u0071uantity":0}"#,
            "quantity",
        ),
        (
            r#"{"productId":"B","quantity":7,"more":{"x":1,"x":1}}"#,
            "x",
        ),
    ] {
        let problem = parse(&items(last)).unwrap_err();
        assert_eq!(problem, format!("item 1: duplicate member {name}"));
    }
    let not_json = items(r#"{"productId":"B","quantity":7,"quantity":0},oops"#);
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
        (
            "[{\"productId\":\"1\",\"quantity\":-1}, oops]",
            "expected value",
        ),
        (&"[".repeat(1_000), "recursion limit"),
    ] {
        let problem = parse(document).unwrap_err();
        assert!(problem.contains(expected), "{document}: {problem}");
        assert!(problem.chars().count() < 300, "{problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }
    let not_utf8 = format("", None).parse(
        ReportKind::Full,
        b"[{\"productId\":\"\xff\",\"quantity\":1}]",
    );
    assert!(not_utf8.is_err());
}

#[test]
fn long_value_is_truncated_and_escaped() {
    let document = format!(
        r#"[{{"productId":"1","quantity":"{}\n"}}]"#,
        "\u{9b}".repeat(500)
    );
    let problem = parse(&document).unwrap_err();
    assert!(problem.chars().count() < 160, "{problem}");
    assert!(!problem.contains(char::is_control), "{problem}");
    assert!(
        problem.ends_with("expected an integer from 0 to 2147483647"),
        "{problem}"
    );
}

#[test]
fn list_may_be_nested() {
    let document =
        br#"{"meta":{"n":1},"data":[{"rows":[{"productId":"1","quantity":5}]}],"more":[{}]}"#;
    let report = format("/data/0/rows", None)
        .parse(ReportKind::Delta, document)
        .unwrap();
    assert_eq!(quantities(&report), [("1", 5)]);
    assert_eq!(report.kind(), ReportKind::Delta);
    let problem = format("/data/rows", None)
        .parse(ReportKind::Full, document)
        .unwrap_err();
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
    for (invalid, expected) in [
        (
            r#"{"items":[]}"#,
            "/as_of is missing, expected a date and time",
        ),
        (r#"{"items":[],"as_of":null}"#, "/as_of is null, expected"),
        (
            r#"{"items":[],"as_of":1763899200}"#,
            "/as_of is 1763899200, expected",
        ),
        (
            r#"{"items":[],"as_of":"yesterday"}"#,
            "/as_of is \"yesterday\", expected",
        ),
    ] {
        let problem = format
            .parse(ReportKind::Full, invalid.as_bytes())
            .unwrap_err();
        assert!(problem.starts_with(expected), "{problem}");
    }
}
