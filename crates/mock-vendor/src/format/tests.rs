//! The documents of one report in each format.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::*;

fn report() -> Report {
    let row = |product_id: &str, quantity: Cell| Row {
        product_id: product_id.to_owned(),
        quantity,
        title: Cell::Text(format!("Product {product_id}")),
        price: None,
    };
    Report {
        rows: vec![
            row("A+1", Cell::Number("5".to_owned())),
            row("0012", Cell::Text("1,5".to_owned())),
        ],
        now: "2026-11-30T14:05:00Z".parse().unwrap(),
        as_of: AsOfText {
            text: "1795435200".to_owned(),
            is_number: true,
        },
        charset: "UTF-8".to_owned(),
        decimal: '.',
        list: ListShape::List,
        members: Vec::new(),
    }
}

fn format(options: &str) -> Format {
    toml::from_str(options).unwrap()
}

fn text_of(options: &str, report: &Report) -> Result<String, String> {
    match format(options).write(report)? {
        Written::Text(text) => Ok(text),
        Written::Workbook(_) => panic!("{options} is a workbook"),
    }
}

fn text(options: &str) -> String {
    text_of(options, &report()).unwrap()
}

#[test]
fn json_has_its_items_where_the_options_say() {
    assert_eq!(
        text("type = 'json'"),
        r#"[{"productId":"A+1","title":"Product A+1","quantity":5},{"productId":"0012","title":"Product 0012","quantity":"1,5"}]"#
    );
    let nested = "type = 'json'\nitems = '/data/items'\nproduct_id = '/sku'\nquantity = '/stock/free'\nas_of = '/data/as_of'";
    assert_eq!(
        text(nested),
        r#"{"data":{"as_of":1795435200,"items":[{"sku":"A+1","title":"Product A+1","stock":{"free":5}},{"sku":"0012","title":"Product 0012","stock":{"free":"1,5"}}]}}"#
    );
    assert_eq!(
        text("type = 'json'\nitems_are = 'map'"),
        r#"{"A+1":5,"0012":"1,5"}"#
    );
    let values = text("type = 'json'\nitems = '/stock'\nitems_are = 'values'");
    assert!(
        values.starts_with(r#"{"stock":{"A+1":{"productId":"A+1","#),
        "{values}"
    );
    for (options, problem) in [
        (
            "type = 'json'\nas_of = '/as_of'",
            "a document with more than its items needs format.items",
        ),
        (
            "type = 'json'\nitems = '/a'\nas_of = '/a/b'",
            "two values are at \"/a\"",
        ),
        (
            "type = 'json'\nitems = 'a'",
            "\"a\" is not a JSON pointer to a member",
        ),
        (
            "type = 'json'\nproduct_id = '/a'\nquantity = '/a/b'",
            "\"/a/b\" leads through a value that is no object",
        ),
    ] {
        assert_eq!(
            text_of(options, &report()).unwrap_err(),
            problem,
            "{options}"
        );
    }
}

#[test]
fn shapes_of_lists_and_raw_values_are_written() {
    let mut report = report();
    report.rows[0].title = Cell::Raw(r#""\ud83d""#.to_owned());
    report.rows[0].price = Some(Cell::Raw("1e999".to_owned()));
    report.rows[0].quantity = Cell::Raw("null".to_owned());
    report.rows.truncate(1);
    let item = r#"{"productId":"A+1","title":"\ud83d","price":1e999,"quantity":null}"#;
    for (list, expected) in [
        (ListShape::List, format!("[{item}]")),
        (ListShape::FirstItem, item.to_owned()),
        (ListShape::PhpMap, format!(r#"{{"0":{item}}}"#)),
    ] {
        report.list = list;
        assert_eq!(text_of("type = 'json'", &report).unwrap(), expected);
    }
    assert!(text_of("type = 'json'\nitems_are = 'map'", &report).is_err());
}

#[test]
fn ndjson_has_one_object_a_line() {
    assert_eq!(
        text("type = 'ndjson'\nproduct_id = '/id'\nquantity = '/n'"),
        "{\"id\":\"A+1\",\"title\":\"Product A+1\",\"n\":5}\n{\"id\":\"0012\",\"title\":\"Product 0012\",\"n\":\"1,5\"}\n"
    );
}

#[test]
fn csv_has_the_separators_of_the_options() {
    assert_eq!(
        text("type = 'csv'"),
        "sku,title,quantity\r\nA+1,Product A+1,5\r\n0012,Product 0012,\"1,5\"\r\n"
    );
    let options =
        "type = 'csv'\ndelimiter = ';'\nquote = \"'\"\nquoting = 'always'\nheader = false";
    assert_eq!(
        text(options),
        "'A+1';'Product A+1';'5'\r\n'0012';'Product 0012';'1,5'\r\n"
    );
    assert_eq!(
        text_of("type = 'csv'\ndelimiter = 'ä'", &report()).unwrap_err(),
        "format.delimiter is 'ä', expected an ASCII character"
    );
}

#[test]
fn xml_has_its_values_where_the_options_say() {
    assert_eq!(
        text("type = 'xml'"),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><stock><item><sku>A+1</sku><title>Product A+1</title><quantity>5</quantity></item>\
         <item><sku>0012</sku><title>Product 0012</title><quantity>1,5</quantity></item></stock>"
    );
    let options =
        "type = 'xml'\nitems = '/a/b/c'\nproduct_id = '@id'\nquantity = '.'\nas_of = '/a/@at'";
    assert_eq!(
        text(options),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a at=\"1795435200\"><b><c id=\"A+1\">5</c><c id=\"0012\">1,5</c></b></a>"
    );
    for (options, problem) in [
        (
            "type = 'xml'\nitems = '/item'",
            "format.items is \"/item\", expected a path such as \"/stock/item\"",
        ),
        (
            "type = 'xml'\nproduct_id = 'a b'",
            "\"a b\" is not the name of an element",
        ),
        (
            "type = 'xml'\nas_of = '/feed/@at'",
            "format.as_of is \"/feed/@at\", expected a path below /stock",
        ),
    ] {
        assert_eq!(
            text_of(options, &report()).unwrap_err(),
            problem,
            "{options}"
        );
    }
}

#[test]
fn workbook_has_numbers_and_texts_in_cells_of_their_type() {
    let Ok(Written::Workbook(bytes)) = format("type = 'xlsx'\nsheet = 'A&B'").write(&report())
    else {
        panic!("expected a workbook");
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut part = |name: &str| {
        let mut text = String::new();
        let mut file = archive.by_name(name).unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    };
    assert!(part("xl/workbook.xml").contains("<sheet name=\"A&amp;B\""));
    let sheet = part("xl/worksheets/sheet1.xml");
    for cell in [
        r#"<c r="C1" t="inlineStr"><is><t xml:space="preserve">quantity</t></is></c>"#,
        r#"<c r="C2"><v>5</v></c>"#,
        r#"<c r="A3" t="inlineStr"><is><t xml:space="preserve">0012</t></is></c>"#,
        r#"<c r="C3" t="inlineStr"><is><t xml:space="preserve">1,5</t></is></c>"#,
    ] {
        assert!(sheet.contains(cell), "{cell} in {sheet}");
    }
}

#[test]
fn x12_has_fixed_lengths_and_right_counts() {
    assert_eq!(
        text("type = 'x12_846'"),
        "ISA*00*          *00*          *ZZ*VENDOR         *ZZ*SHOP           *261130*1405*U*00401*000000001*0*P*>~\n\
         GS*IB*VENDOR*SHOP*20261130*1405*1*X*004010~\nST*846*0001~\nBIA*00*SI*1*20261130~\n\
         LIN*1*SK*A+1~\nPID*F****Product A+1~\nQTY*33*5~\nLIN*2*SK*0012~\nPID*F****Product 0012~\nQTY*33*1,5~\n\
         SE*9*0001~\nGE*1*1~\nIEA*1*000000001~\n"
    );
    let mut report = report();
    report.rows[0].product_id = "A*1".to_owned();
    assert_eq!(
        text_of("type = 'x12_846'", &report).unwrap_err(),
        "X12 cannot have \"A*1\": it contains a separator"
    );
}

#[test]
fn edifact_releases_its_separators() {
    let mut report = report();
    report.charset = "iso-8859-1".to_owned();
    report.decimal = ',';
    assert_eq!(
        text_of("type = 'edifact_invrpt'", &report).unwrap(),
        "UNA:+,? '\nUNB+UNOC:3+VENDOR+SHOP+261130:1405+1'\nUNH+1+INVRPT:D:96A:UN'\nBGM+35+1+9'\nDTM+137:20261130:102'\n\
         LIN+1++A?+1:SA'\nIMD+F++:::Product A?+1'\nQTY+145:5'\nLIN+2++0012:SA'\nIMD+F++:::Product 0012'\nQTY+145:1,5'\n\
         UNT+10+1'\nUNZ+1+1'\n"
    );
}
