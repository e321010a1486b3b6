//! Valid documents, and the errors of invalid documents.

mod against_serde_json;

use super::*;
use crate::format::tests::{fields, read};
use crate::options::{AsOfFormat, AsOfOptions};

fn options(items: &str, items_are: JsonItems, as_of: Option<&str>) -> JsonOptions {
    JsonOptions {
        items: items.to_owned(),
        items_are,
        as_of: as_of.map(|field| AsOfOptions {
            field: field.to_owned(),
            format: AsOfFormat::Rfc3339,
            zone: None,
        }),
    }
}

fn json(items: &str, items_are: JsonItems, as_of: Option<&str>) -> Json {
    let fields = fields("/productId", &["/quantity"]);
    Json::new(&options(items, items_are, as_of), &fields).unwrap()
}

fn records(document: &str) -> Result<Vec<String>, String> {
    records_at("", JsonItems::List, document)
}

fn records_at(items: &str, items_are: JsonItems, document: &str) -> Result<Vec<String>, String> {
    read(&json(items, items_are, None), document).map(|(records, _)| records)
}

#[test]
fn values_keep_their_type_and_notation() {
    let document = r#"[{"productId":"1","quantity":50,"colour":["red"]},{"quantity":4.0,"productId":2},
        {"productId":18446744073709551616,"quantity":"4"}, {"productId":"0012","quantity":1e2},
        {"productId":null,"quantity":[1]}, {"quantity":-3}, {}, 7, "text", [1], null]"#;
    assert_eq!(
        records(document).unwrap(),
        [
            r#"item 1: Text("1") [Number("50")]"#,
            r#"item 2: Number("2") [Number("4.0")]"#,
            r#"item 3: Number("18446744073709551616") [Text("4")]"#,
            r#"item 4: Text("0012") [Number("100")]"#,
            r#"item 5: Other("null") [Other("[1]")]"#,
            r#"item 6: Missing [Number("-3")]"#,
            "item 7: Missing [Missing]",
            "item 8: Missing [Missing]",
            "item 9: Missing [Missing]",
            "item 10: Missing [Missing]",
            "item 11: Missing [Missing]",
        ]
    );
    assert_eq!(records("[]").unwrap(), [""; 0]);
    assert_eq!(records("\u{feff} \n[]\n").unwrap(), [""; 0]);
    let blanks = " ".repeat(10_000);
    assert_eq!(records(&format!("{blanks}[]{blanks}")).unwrap(), [""; 0]);
}

#[test]
fn invalid_values_in_unread_fields_do_not_matter() {
    let document = r#"{"big":1e999,"title\ud800":"\udc00","items":[{"x":1e999,"productId":"1","t":"\ud83d",
        "\udfff":[1e-999,{"a":"\ud800"}],"quantity":5}],"after":[1E+4000,"\ud800"]}"#;
    assert_eq!(
        records_at("/items", JsonItems::List, document).unwrap(),
        [r#"item 1: Text("1") [Number("5")]"#]
    );
    let referenced = r#"[{"productId":"\ud800","quantity":1e999}]"#;
    assert_eq!(
        records(referenced).unwrap(),
        [r#"item 1: Other("\"\\ud800\"") [Number("1e999")]"#]
    );
}

#[test]
fn duplicate_member_that_is_read_is_marked() {
    let twice = r#"Other("present twice")"#;
    for (item, expected) in [
        (
            r#"{"productId":"B","quantity":7,"quantity":0}"#,
            format!(r#"item 1: Text("B") [{twice}]"#),
        ),
        (
            r#"{"productId":"B","productId":"B","quantity":0}"#,
            format!(r#"item 1: {twice} [Number("0")]"#),
        ),
        (
            r#"{"productId":"B","quantity":7,"\u0071uantity":0,"quantity":1}"#,
            format!(r#"item 1: Text("B") [{twice}]"#),
        ),
        (
            r#"{"productId":"B","quantity":7,"more":{"x":1,"x":1},"more":1}"#,
            r#"item 1: Text("B") [Number("7")]"#.to_owned(),
        ),
    ] {
        assert_eq!(records(&format!("[{item}]")).unwrap(), [expected]);
    }
    let nested = Json::new(
        &options("", JsonItems::List, None),
        &fields("/id", &["/stock/qty", "/stock/free"]),
    );
    let document = r#"[{"id":1,"stock":{"qty":5,"free":2}},{"id":2,"stock":{"qty":5},"stock":{}}]"#;
    assert_eq!(
        read(&nested.unwrap(), document).unwrap().0,
        [
            r#"item 1: Number("1") [Number("5"), Number("2")]"#.to_owned(),
            format!(r#"item 2: Number("2") [{twice}, {twice}]"#),
        ]
    );
    for (items, document, name) in [
        ("/a", r#"{"a":[],"a":[]}"#, "a"),
        ("/a/b", r#"{"a":{"b":[]},"x":1,"\u0061":{}}"#, "a"),
        ("/a/b", r#"{"a":{"b":[],"b":[]}}"#, "b"),
    ] {
        let problem = records_at(items, JsonItems::List, document).unwrap_err();
        assert_eq!(
            problem,
            format!("two members are named {name}; it begins with {document}")
        );
    }
}

#[test]
fn document_that_is_not_a_list_is_refused() {
    let long = format!("\"{}\"", "x".repeat(10_000));
    for (document, expected) in [
        (
            "{\"error\":\"rate limit\"}",
            "the document is an object, expected a list (format.single = true reads it as one item, format.items_are = \"values\" reads its values as items); it begins with {\"error\":\"rate limit\"}",
        ),
        (
            "null",
            "the document is null, expected a list; it begins with null",
        ),
        (
            "false",
            "the document is false, expected a list; it begins with false",
        ),
        (
            "7",
            "the document is a number, expected a list; it begins with 7",
        ),
        (
            long.as_str(),
            "the document is a string, expected a list; it begins with \"xxx",
        ),
        ("", "the document is empty"),
        (" \n\t", "the document is empty"),
        (
            "<!DOCTYPE html>\n<title>Sign in</title>",
            "the document is HTML or XML, expected JSON; it begins with <!DOCTYPE html>\\n<title>Sign in</title>",
        ),
        (
            "<br />\n<b>Notice</b>: Undefined index: qty in /srv/feed.php on line 3<br />\n[]",
            "the document is HTML or XML, expected JSON; it begins with <br />\\n<b>Notice</b>: Undefined index: qty",
        ),
        (
            "\nNotice: Undefined index: qty in /srv/feed.php on line 3\n[]",
            "invalid JSON: expected value at line 2 column 1; it begins with Notice: Undefined index: qty in /srv/feed.php",
        ),
        (
            "[]\nNotice: x",
            "invalid JSON: trailing characters at line 2 column 1",
        ),
        (
            "[{\"productId\":\"1\",\"quantity\":1}",
            "invalid JSON: EOF while parsing a list at line 1",
        ),
        (
            "[] []",
            "invalid JSON: trailing characters at line 1 column 4",
        ),
        (
            "[{\"productId\":\"1\",\"quantity\":-1}, oops]",
            "invalid JSON: expected value",
        ),
        ("[{\"productId\":nul}]", "invalid JSON: expected ident"),
        (&"[".repeat(1_000), "invalid JSON: EOF while parsing"),
    ] {
        let problem = records(document).unwrap_err();
        assert!(problem.starts_with(expected), "{document}: {problem}");
        assert!(problem.chars().count() < 300, "{problem}");
        assert!(!problem.contains(char::is_control), "{problem}");
    }
    let mut sink = crate::format::tests::sink();
    let not_utf8 = Document::from_bytes(b"[{\"productId\":\"\xff\",\"quantity\":1}]");
    let problem = json("", JsonItems::List, None).read(not_utf8, &mut sink);
    assert!(
        problem
            .unwrap_err()
            .to_string()
            .contains("byte offset 15: FF")
    );
}

#[test]
fn list_may_be_nested() {
    let document =
        r#"{"meta":{"n":1},"data":[{"rows":[{"productId":"1","quantity":5}]}],"more":[{}]}"#;
    assert_eq!(
        records_at("/data/0/rows", JsonItems::List, document).unwrap(),
        [r#"item 1: Text("1") [Number("5")]"#]
    );
    for items in [
        "/data/rows",
        "/data/00/rows",
        "/data/1/rows",
        "/meta/n/rows",
        "/x",
    ] {
        let problem = records_at(items, JsonItems::List, document).unwrap_err();
        let expected = format!("{items} is missing, expected a list; it begins with {{");
        assert!(problem.starts_with(&expected), "{problem}");
    }
    // The names of a pointer are unescaped.
    let escaped = r#"{"a/b":{"~":[{"productId":"1","quantity":5}]}}"#;
    assert!(records_at("/a~1b/~0", JsonItems::List, escaped).is_ok());
    assert!(records_at("/", JsonItems::List, r#"{"":[]}"#).is_ok());
}

#[test]
fn items_may_be_the_values_of_an_object() {
    let php = r#"{"0":{"productId":"a","quantity":1},"2":{"productId":"b","quantity":2}}"#;
    assert_eq!(
        records_at("", JsonItems::Values, php).unwrap(),
        [
            r#"item 1: Text("a") [Number("1")]"#,
            r#"item 2: Text("b") [Number("2")]"#,
        ]
    );
    assert_eq!(
        records_at("", JsonItems::Values, "[]").unwrap_err(),
        "the document is a list, expected an object (without format.items_are a list is read); it begins with []"
    );
}

#[test]
fn map_has_the_product_ids_as_names() {
    let map = Json::new(
        &options("/stock", JsonItems::Map, None),
        &fields("ignored", &[""]),
    )
    .unwrap();
    let document = r#"{"stock":{"a":1,"0012":"4","\u00e4":null,"\ud800":1,"a":2}}"#;
    let records = read(&map, document).unwrap().0;
    assert_eq!(
        records[..3],
        [
            r#"item 1: Text("a") [Number("1")]"#,
            r#"item 2: Text("0012") [Text("4")]"#,
            r#"item 3: Text("ä") [Other("null")]"#,
        ]
    );
    assert!(records[3].starts_with("item 4: Other("), "{}", records[3]);
    // The rules decide on a second record of a product.
    assert_eq!(records[4], r#"item 5: Text("a") [Number("2")]"#);
}

#[test]
fn single_object_may_be_the_only_item() {
    let document = r#"{"data":{"productId":"a","quantity":1}}"#;
    assert_eq!(
        records_at("/data", JsonItems::Single, document).unwrap(),
        [r#"item 1: Text("a") [Number("1")]"#]
    );
    assert_eq!(
        records_at("", JsonItems::Single, "[{}]").unwrap_err(),
        "the document is a list, expected an object (without format.single a list is read); it begins with [{}]"
    );
}

#[test]
fn item_may_be_a_list() {
    let rows = Json::new(
        &options("", JsonItems::List, None),
        &fields("/0", &["/2/0"]),
    )
    .unwrap();
    let (records, _) = read(&rows, r#"[["a",1,[5]],["b",1,["6"],3]]"#).unwrap();
    assert_eq!(
        records,
        [
            r#"item 1: Text("a") [Number("5")]"#,
            r#"item 2: Text("b") [Text("6")]"#,
        ]
    );
}

#[test]
fn as_of_is_read_wherever_it_is() {
    let expected = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z").ok();
    let at = "\"2026-11-23T13:00:00+01:00\"";
    let item = format!(r#"{{"productId":"a","quantity":1,"at":{at}}}"#);
    for (items, items_are, as_of, document) in [
        (
            "/items",
            JsonItems::List,
            "/as_of",
            format!(r#"{{"items":[],"as_of":{at}}}"#),
        ),
        (
            "/items",
            JsonItems::List,
            "/as_of",
            format!(r#"{{"as_of":{at},"items":[]}}"#),
        ),
        (
            "/d/items",
            JsonItems::List,
            "/d/m/0",
            format!(r#"{{"d":{{"items":[{item}],"m":[{at}]}}}}"#),
        ),
        ("/1", JsonItems::List, "/0", format!("[{at},[{item}]]")),
        ("", JsonItems::List, "/0/at", format!("[{item}]")),
        ("", JsonItems::Values, "/x/at", format!(r#"{{"x":{item}}}"#)),
        ("", JsonItems::Single, "/at", item.clone()),
    ] {
        let (_, read) = read(&json(items, items_are, Some(as_of)), &document).unwrap();
        assert_eq!(read, expected, "{document}");
    }
    for (document, expected) in [
        (
            r#"{"items":[]}"#,
            "/as_of is missing, expected a date and time such as 2026-11-23T12:00:00Z",
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
        (
            r#"{"as_of":"2026-11-23T12:00:00Z","items":[],"as_of":1}"#,
            "two members are named as_of",
        ),
    ] {
        let problem = read(&json("/items", JsonItems::List, Some("/as_of")), document).unwrap_err();
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn invalid_options_are_refused() {
    let new = |items: &str, as_of, product_id, quantities: &[&str]| {
        let options = options(items, JsonItems::List, as_of);
        Json::new(&options, &fields(product_id, quantities)).unwrap_err()
    };
    assert_eq!(
        new("items", None, "/id", &["/qty"]),
        "format.items is \"items\", which is not a JSON pointer"
    );
    assert_eq!(
        new("", None, "/~2", &["/qty"]),
        "fields.product_id is \"/~2\", which is not a JSON pointer"
    );
    assert_eq!(
        new("", None, "/id", &["/a", "qty"]),
        "fields.quantity is \"qty\", which is not a JSON pointer"
    );
    assert_eq!(
        new("", None, "/id", &["/id/x"]),
        "one field contains another"
    );
    for as_of in ["/d", "/d/items", "/d/items/0", ""] {
        assert_eq!(
            new("/d/items", Some(as_of), "/id", &["/qty"]),
            "format.as_of contains the items, or is one"
        );
    }
    let mut by_number = fields("/id", &["/qty"]);
    by_number.product_id.column = Column::Number(std::num::NonZeroU32::MIN);
    assert_eq!(
        Json::new(&options("", JsonItems::List, None), &by_number).unwrap_err(),
        "fields.product_id is the column number 1, expected a JSON pointer"
    );
}

#[test]
fn huge_value_is_refused() {
    let string = "x".repeat(17 * 1024 * 1024);
    assert_eq!(
        records(&format!(r#"[{{"productId":"{string}","quantity":1}}]"#)).unwrap_err(),
        "more than 16777216 bytes of JSON without the end of an item"
    );
    let item = format!(r#"{{"unread":"{}"}},"#, "x".repeat(1_000));
    let long_list = format!("[{}{{}}]", item.repeat(17_000));
    assert_eq!(records(&long_list).unwrap().len(), 17_001);
}
