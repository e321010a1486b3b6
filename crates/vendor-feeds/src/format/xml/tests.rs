//! Tests of the reader of XML documents.

use std::ops::ControlFlow;

use super::*;
use crate::format::tests::{fields, read, sink};
use crate::options::{AsOfFormat, AsOfOptions, RuleOptions};
use crate::rules::Rules;

mod exporters;
mod limits;

fn xml_with_as_of(items: &str, product_id: &str, quantities: &[&str], as_of: Option<&str>) -> Xml {
    let options = XmlOptions {
        items: items.to_owned(),
        as_of: as_of.map(|field| AsOfOptions {
            field: field.to_owned(),
            format: AsOfFormat::Rfc3339,
            zone: None,
        }),
    };
    Xml::new(&options, &fields(product_id, quantities)).unwrap()
}

fn xml(items: &str, product_id: &str, quantity: &str) -> Xml {
    xml_with_as_of(items, product_id, &[quantity], None)
}

/// The records of a document whose items are `/stock/item` with `sku` and `qty`.
fn stock(text: &str) -> Result<Vec<String>, String> {
    records(&xml("/stock/item", "sku", "qty"), text)
}

fn records(format: &Xml, text: &str) -> Result<Vec<String>, String> {
    read(format, text).map(|(records, _)| records)
}

#[test]
fn items_are_at_their_path_only() {
    let text = "<?xml version='1.0'?>\n<!-- c --><stock date=\"1\">\n<sku>x</sku>\
        <item><sku>A</sku><qty>1</qty></item>\
        <other><item><sku>B</sku><qty>2</qty></item></other>\
        <item><qty>3</qty><item><sku>C</sku><qty>4</qty></item><box><sku>D</sku></box></item>\
        <item/></stock>\n<!-- end -->\n<?pi x?>";
    assert_eq!(
        stock(text).unwrap(),
        [
            r#"item 1: Text("A") [Text("1")]"#,
            r#"item 2: Missing [Text("3")]"#,
            "item 3: Missing [Missing]",
        ]
    );
}

#[test]
fn fields_are_elements_and_attributes_of_the_item() {
    let text =
        "<a><b><c id='7' x='y'>5<d q='1'><e>2</e></d></c><c id='8'>6</c></b><b><c id='9'/></b></a>";
    let read = |product_id: &str, quantities: &[&str]| {
        let format = xml_with_as_of("/a/b/c", product_id, quantities, None);
        records(&format, text).unwrap()
    };
    assert_eq!(
        read("@id", &["d/e", "d/@q"]),
        [
            r#"item 1: Text("7") [Text("2"), Text("1")]"#,
            r#"item 2: Text("8") [Missing, Missing]"#,
            r#"item 3: Text("9") [Missing, Missing]"#,
        ]
    );
    // The text of the item itself; an item with further elements has none.
    assert_eq!(
        read("@id", &["."]),
        [
            r#"item 1: Text("7") [Other("an element with further elements")]"#,
            r#"item 2: Text("8") [Text("6")]"#,
            r#"item 3: Text("9") [Text("")]"#,
        ]
    );
    // The root itself is the item.
    let root = xml("/item", "@id", "qty");
    let text = "<item id='1'><qty>2</qty></item>";
    assert_eq!(
        records(&root, text).unwrap(),
        [r#"item 1: Text("1") [Text("2")]"#]
    );
}

#[test]
fn a_field_that_is_not_one_text_is_refused_with_its_item() {
    let quantities = fields("sku", &["qty"]);
    let refused = |item: &str| {
        let format = xml("/stock/item", "sku", "qty");
        let options = RuleOptions::default();
        let mut rules = Rules::new(&quantities, &options);
        let document = Document::from_text(&format!("<stock>{item}</stock>"));
        format.read(document, &mut rules).unwrap();
        match rules.finish().unwrap_err() {
            crate::rules::Refused::Records(refusals) => refusals.to_string(),
            crate::rules::Refused::TooMany(max) => panic!("{max}"),
        }
    };
    for (item, problem) in [
        (
            "<item><sku>A</sku><qty>1</qty><qty>2</qty></item>",
            "item 1: qty is there more than once, expected a number",
        ),
        (
            "<item><sku>A</sku><sku>A</sku><qty>1</qty></item>",
            "item 1: sku is there more than once, expected a text or an integer",
        ),
        (
            "<item><sku>A</sku><qty>1<unit>pc</unit></qty></item>",
            "item 1: qty is an element with further elements, expected a number",
        ),
        (
            "<item><sku>A</sku></item>",
            "item 1: qty is missing, expected a number",
        ),
        (
            "<item><sku>A</sku><qty/></item>",
            "item 1: qty is \"\", which is not a number (fields.quantity.words can state what it means)",
        ),
        (
            "<item><sku>A</sku><qty>\n  4\n</qty></item>",
            "item 1: qty is \"\\n  4\\n\", which is not a number (fields.quantity.trim = true removes white space at the ends)",
        ),
    ] {
        assert_eq!(refused(item), problem, "{item}");
    }
}

#[test]
fn text_is_kept_as_it_is() {
    for (text, expected) in [
        (" A ", " A "),
        ("a &amp; b", "a & b"),
        (
            "&lt;&gt;&quot;&apos;&#65;&#x42;&#x1F600;",
            "<>\"'AB\u{1f600}",
        ),
        ("<![CDATA[R&D <1>]]>", "R&D <1>"),
        ("x<![CDATA[]]>y<![CDATA[ z ]]>", "xy z "),
        ("<![CDATA[a]]]]><![CDATA[>b]]>", "a]]>b"),
        ("1<!-- c -->2<?p i?>3", "123"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a&#13;b", "a\rb"),
        ("]]&gt;", "]]>"),
    ] {
        let document = format!(
            "<stock><item xml:space='default'><sku>{text}</sku><qty>1</qty></item></stock>"
        );
        assert_eq!(
            stock(&document).unwrap(),
            [format!("item 1: Text({expected:?}) [Text(\"1\")]")],
            "{text}"
        );
    }
    let attribute = xml("/stock/item", "@sku", "qty");
    let text = "<stock><item sku='a&amp;\r\n\t&#10;&quot; >'/></stock>";
    assert_eq!(
        records(&attribute, text).unwrap(),
        [r#"item 1: Text("a&  \n\" >") [Missing]"#]
    );
}

#[test]
fn names_match_by_local_name_or_namespace() {
    let text = "<rss xmlns:g='http://base.google.com/ns/1.0' xmlns='urn:d'><channel>\
        <item g:id='att' id='plain'><g:id>A</g:id><id>B</id><g:qty>1</g:qty></item>\
        </channel></rss>";
    let value = |product_id: &str| {
        let format = xml("/rss/channel/item", product_id, "qty");
        records(&format, text).unwrap().remove(0)
    };
    let id = |shown: &str| format!("item 1: {shown} [Text(\"1\")]");
    assert_eq!(
        value("{http://base.google.com/ns/1.0}id"),
        id(r#"Text("A")"#)
    );
    // The default namespace is that of elements, not of attributes.
    assert_eq!(value("{urn:d}id"), id(r#"Text("B")"#));
    assert_eq!(value("@{}id"), id(r#"Text("plain")"#));
    assert_eq!(
        value("@{http://base.google.com/ns/1.0}id"),
        id(r#"Text("att")"#)
    );
    // Two names that differ in their namespace only have the same local name.
    assert_eq!(value("id"), id(r#"Other("there more than once")"#));
    let other = xml("/{urn:d}rss/channel/{urn:x}item", "id", "qty");
    assert_eq!(records(&other, text).unwrap(), [""; 0]);
}

#[test]
fn other_documents_are_refused_and_named() {
    for (text, problem) in [
        ("", "the document has no element"),
        ("<!-- only -->", "the document has no element"),
        (
            "{\"error\": 1}",
            "line 1: expected an XML document, found {\"error\": 1}",
        ),
        (
            "Notice: x in /a.php\n<stock/>",
            "line 1: expected an XML document, found Notice: x in /a.php",
        ),
        (
            "\n<!DOCTYPE html><html><p>Sign in</html>",
            "line 2: the document is an HTML page, expected XML",
        ),
        (
            "<HTML lang='en'><body></body></HTML>",
            "line 1: the document is an HTML page, expected XML",
        ),
        (
            "<error><message>rate limit</message></error>",
            "line 1: the root element is <error>, expected <stock> (format.items is /stock/item)",
        ),
        (
            "<f:stocks xmlns:f='urn:f'/>",
            "line 1: the root element is <f:stocks> of the namespace urn:f, expected <stock> (format.items is /stock/item)",
        ),
        (
            "<!DOCTYPE stock [<!ENTITY a \"b\">]><stock/>",
            "line 1: a DOCTYPE is not accepted: stock [<!ENTITY a \"b\">]",
        ),
    ] {
        assert_eq!(stock(text).unwrap_err(), problem, "{text}");
    }
    let deep = xml("/a/b/items/item", "sku", "qty");
    assert_eq!(
        records(&deep, "<a><b><error>no</error></b></a>").unwrap_err(),
        "<b> has no <items>, so the list is not there (format.items is /a/b/items/item)"
    );
    // An empty list is a report without products.
    assert_eq!(records(&deep, "<a><b><items/></b></a>").unwrap(), [""; 0]);
    assert_eq!(stock("<stock></stock>").unwrap(), [""; 0]);
}

#[test]
fn a_document_must_be_whole_and_the_only_one() {
    let whole = "<stock><item><sku>A</sku><qty>1</qty></item></stock>";
    for (text, problem) in [
        (
            whole[..whole.len() - 8].to_owned(),
            "the document ends inside an element: it is truncated",
        ),
        (
            whole[..whole.len() - 3].to_owned(),
            "line 1: syntax error: tag not closed: `>` not found before end of input",
        ),
        (
            format!("{whole}\n{whole}"),
            "line 2: a second root element: <stock>",
        ),
        (
            format!("{whole}<?xml version='1.0'?>{whole}"),
            "line 1: a second XML document begins",
        ),
        (
            format!("{whole}\n\nTotal: 1"),
            "line 1: text behind the root element: Total: 1",
        ),
        (
            format!("{whole}&amp;"),
            "line 1: a reference outside of the root element",
        ),
        (
            format!("{whole}<![CDATA[x]]>"),
            "line 1: a CDATA section outside of the root element",
        ),
        (
            "<stock>\n<item></stock>".to_owned(),
            "line 2: ill-formed document: expected `</item>`, but `</stock>` was found",
        ),
        (
            "<stock>\n<item><sku>R&D</sku></item></stock>".to_owned(),
            "line 2: an & that begins no reference (as text it is written &amp;)",
        ),
        (
            "<stock><item><sku>a&nbsp;b</sku></item></stock>".to_owned(),
            "line 1: the entity &nbsp; is not one of XML's five",
        ),
        (
            "<stock><item><sku>&#xD800;</sku></item></stock>".to_owned(),
            "line 1: &#xD800; is not a character",
        ),
        (
            "<stock><item><sku><![CDATA[x ]]> y]]></sku></item></stock>".to_owned(),
            "line 1: ]]> in a text",
        ),
    ] {
        assert_eq!(stock(&text).unwrap_err(), problem, "{text}");
    }
    let attribute = xml("/stock/item", "@sku", "qty");
    let text = "<stock>\n<item sku='1' sku='2'/></stock>";
    assert_eq!(
        records(&attribute, text).unwrap_err(),
        "line 2: position 13: duplicated attribute, previous declaration at position 5"
    );
}

#[test]
fn what_no_setting_names_may_be_invalid_text() {
    let text =
        "<stock><item><sku>A</sku><title a=1 a=2>&nbsp;]]>&#0;</title><qty>1</qty></item></stock>";
    assert_eq!(stock(text).unwrap(), [r#"item 1: Text("A") [Text("1")]"#]);
    let undeclared = "<stock><g:item><g:sku>A</g:sku></g:item></stock>";
    assert_eq!(
        stock(undeclared).unwrap(),
        [r#"item 1: Text("A") [Missing]"#]
    );
}

#[test]
fn as_of_is_read_wherever_it_is() {
    let item = "<item><sku>A</sku><qty>1</qty></item>";
    let as_of = |path: &str, text: &str| {
        let format = xml_with_as_of("/stock/item", "sku", &["qty"], Some(path));
        read(&format, text).map(|(_, as_of)| as_of.unwrap().to_string())
    };
    for (path, text) in [
        (
            "/stock/@at",
            format!("<stock at='2026-11-23T12:00:00Z'>{item}</stock>"),
        ),
        (
            "/stock/meta/at",
            format!("<stock>{item}<meta><at>2026-11-23T12:00:00Z</at></meta></stock>"),
        ),
    ] {
        let found = as_of(path, &text).unwrap();
        assert!(found.starts_with("2026-11-23T12:00:00"), "{found}");
    }
    assert_eq!(
        as_of("/stock/@at", &format!("<stock>{item}</stock>")).unwrap_err(),
        "/stock/@at is missing, expected a date and time such as 2026-11-23T12:00:00Z"
    );
    assert_eq!(
        as_of("/stock/at", "<stock><at>1</at><at>2</at></stock>").unwrap_err(),
        "/stock/at is there more than once, expected a date and time such as 2026-11-23T12:00:00Z"
    );
}

#[test]
fn encoding_is_the_declared_one() {
    let format = xml("/stock/item", "sku", "qty");
    let ids = |bytes: &[u8]| {
        let mut records = sink();
        format
            .read(Document::from_bytes(bytes), &mut records)
            .map_err(|error| error.to_string())
    };
    let latin_1 =
        b"<?xml version='1.0' encoding='ISO-8859-1'?><stock><item><sku>\xe9</sku></item></stock>";
    assert!(ids(latin_1).is_ok());
    assert!(ids(&latin_1[43..]).is_err());
    // .NET's StringWriter declares utf-16; the text is then stored in UTF-8.
    let text =
        "<?xml version=\"1.0\" encoding=\"utf-16\"?><stock><item><sku>é</sku></item></stock>";
    assert_eq!(stock(text).unwrap(), [r#"item 1: Text("é") [Missing]"#]);
}

#[test]
fn invalid_options_are_named() {
    let invalid = |items: &str, product_id: Column| {
        let mut fields = fields("sku", &["qty"]);
        fields.product_id.column = product_id;
        let options = XmlOptions {
            items: items.to_owned(),
            as_of: None,
        };
        Xml::new(&options, &fields).unwrap_err()
    };
    assert_eq!(
        invalid("item", Column::Name("sku".to_owned())),
        "format.items is \"item\", expected an absolute path of element names such as /stock/item"
    );
    assert_eq!(
        invalid("/stock/item", Column::Number(std::num::NonZeroU32::MIN)),
        "fields.product_id is the column number 1, expected a path such as stock/qty or @qty"
    );
}

/// Stops at the first record.
struct First(u32);

impl RecordSink for First {
    fn take(&mut self, _: &Record<'_>) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Break(())
    }
}
