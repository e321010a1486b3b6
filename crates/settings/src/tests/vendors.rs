//! The settings of vendors: all forms in which they may be written.

use std::num::NonZeroU32;

use domain::guard::{Guard, Share};
use domain::report::ReportKind;
use feed_options::*;

use super::with_file;
use crate::*;

/// Returns a vendor with the given settings, and a URL.
fn vendor(settings: &str) -> VendorSettings {
    of("url = 'https://h/x'", settings)
}

pub(super) fn of(source: &str, settings: &str) -> VendorSettings {
    let file = format!("[[vendors]]\nid = 'v'\nsync_interval = '24h'\n{source}\n{settings}\n");
    let mut vendors = with_file(&file).expect(&file).vendors;
    assert_eq!(vendors.len(), 1);
    vendors.remove(0)
}

fn name(text: &str) -> Column {
    Column::Name(text.to_owned())
}

fn number(number: u32) -> Column {
    Column::Number(number.try_into().unwrap())
}

#[test]
fn delta_vendor_is_read() {
    let vendor = vendor(
        "kind = 'delta'\nretries = 0\nformat = { items = '/a~1b/0', product_id = '', as_of = '/t' }",
    );
    assert_eq!(vendor.kind, ReportKind::Delta);
    let FormatOptions::Json(JsonOptions {
        items,
        items_are,
        as_of,
    }) = vendor.format
    else {
        panic!("{:?}", vendor.format);
    };
    assert_eq!(items, "/a~1b/0");
    assert_eq!(items_are, JsonItems::List);
    let as_of = as_of.unwrap();
    assert_eq!((as_of.field.as_str(), as_of.zone), ("/t", None));
    assert_eq!(as_of.format, AsOfFormat::Rfc3339);
    assert_eq!(vendor.fields.product_id.column, name(""));
    assert_eq!(vendor.fields.quantity.columns, [name("/quantity")]);
}

#[test]
fn decoding_is_read() {
    let decode = vendor(
        "[vendors.decode]\ncharset = 'Latin1'\nentry = 'out/stock.csv'\nmax_decoded_bytes = 7\nmax_ratio = 8",
    )
    .decode;
    assert_eq!(decode.charset.unwrap().name(), "windows-1252");
    assert_eq!(decode.entry.as_deref(), Some("out/stock.csv"));
    assert_eq!(decode.max_bytes, 67_108_864);
    assert_eq!((decode.max_decoded_bytes, decode.max_ratio), (7, 8));
    for settings in ["max_bytes = 5", "decode = { max_bytes = 5 }"] {
        assert_eq!(vendor(settings).decode.max_bytes, 5, "{settings}");
    }
}

#[test]
fn each_format_is_read() {
    let columns = "fields = { product_id = 'A', quantity = 'B' }";
    let format = |format: &str| vendor(&format!("format = {{ {format} }}\n{columns}")).format;
    for (written, expected) in [
        (
            "type = 'csv'",
            FormatOptions::Csv(CsvOptions {
                delimiter: b',',
                quote: b'"',
                header: Header::Row(NonZeroU32::new(1).unwrap()),
                skip_rows: None,
            }),
        ),
        (
            r#"type = "csv", delimiter = "\t", quote = "'", header = true, header_row = 3,
               skip_rows = { field = 2, values = ["Total", "as of *"] }"#,
            FormatOptions::Csv(CsvOptions {
                delimiter: b'\t',
                quote: b'\'',
                header: Header::Row(NonZeroU32::new(3).unwrap()),
                skip_rows: Some(SkipRows {
                    column: Column::Number(NonZeroU32::new(2).unwrap()),
                    values: vec!["Total".to_owned(), "as of *".to_owned()],
                }),
            }),
        ),
        (
            "type = 'csv', header = false",
            FormatOptions::Csv(CsvOptions {
                delimiter: b',',
                quote: b'"',
                header: Header::None,
                skip_rows: None,
            }),
        ),
        (
            "type = 'xml', items = '/stock/item'",
            FormatOptions::Xml(XmlOptions {
                items: "/stock/item".to_owned(),
                as_of: None,
            }),
        ),
        (
            "type = 'xlsx', sheet = 'Stock', header_row = 2",
            FormatOptions::Xlsx(XlsxOptions {
                sheet: Some("Stock".to_owned()),
                header: Header::Row(NonZeroU32::new(2).unwrap()),
                skip_rows: None,
            }),
        ),
        (
            "type = 'x12_846'",
            FormatOptions::X12(EdiOptions::default()),
        ),
        (
            "type = 'x12_846', as_of = '007', as_of_zone = 'UTC', units = ['CT', 'DZ']",
            FormatOptions::X12(EdiOptions {
                as_of: Some(EdiAsOf {
                    code: "007".to_owned(),
                    zone: Some("UTC".to_owned()),
                }),
                units: vec!["CT".to_owned(), "DZ".to_owned()],
            }),
        ),
        (
            "type = 'edifact_invrpt', as_of = '137', units = []",
            FormatOptions::Edifact(EdiOptions {
                as_of: Some(EdiAsOf {
                    code: "137".to_owned(),
                    zone: None,
                }),
                units: Vec::new(),
            }),
        ),
    ] {
        assert_eq!(format(written), expected, "{written}");
    }
    assert_eq!(
        vendor("format = { type = 'ndjson' }").format,
        FormatOptions::Ndjson
    );
}

#[test]
fn items_of_json_are_read() {
    for (written, expected, product_id, quantity) in [
        (
            "items_are = 'list'",
            JsonItems::List,
            "/productId",
            "/quantity",
        ),
        (
            "items_are = 'values'",
            JsonItems::Values,
            "/productId",
            "/quantity",
        ),
        ("items_are = 'map'", JsonItems::Map, "the name", ""),
        (
            "single = true",
            JsonItems::Single,
            "/productId",
            "/quantity",
        ),
    ] {
        let vendor = vendor(&format!("format = {{ type = 'json', {written} }}"));
        let FormatOptions::Json(JsonOptions { items_are, .. }) = vendor.format else {
            panic!("{:?}", vendor.format);
        };
        assert_eq!(items_are, expected);
        assert_eq!(vendor.fields.product_id.column, name(product_id));
        assert_eq!(vendor.fields.quantity.columns, [name(quantity)]);
    }
}

#[test]
fn as_of_is_read() {
    for (written, format, zone) in [
        ("as_of_format = 'http_date'", AsOfFormat::HttpDate, None),
        ("as_of_format = 'unix'", AsOfFormat::Unix, None),
        ("as_of_format = 'unix_ms'", AsOfFormat::UnixMs, None),
        (
            "as_of_format = 'rfc3339', as_of_zone = 'Europe/Berlin'",
            AsOfFormat::Rfc3339,
            Some("Europe/Berlin"),
        ),
        (
            "as_of_format = '%d.%m.%Y', as_of_zone = 'UTC'",
            AsOfFormat::Pattern("%d.%m.%Y".to_owned()),
            Some("UTC"),
        ),
    ] {
        let vendor = vendor(&format!(
            "format = {{ type = 'xml', items = '/a/b', as_of = '/a/@d', {written} }}\n\
             fields = {{ product_id = '@id', quantity = '.' }}"
        ));
        let FormatOptions::Xml(XmlOptions { as_of, .. }) = vendor.format else {
            panic!("{:?}", vendor.format);
        };
        let expected = AsOfOptions {
            field: "/a/@d".to_owned(),
            format,
            zone: zone.map(ToOwned::to_owned),
        };
        assert_eq!(as_of, Some(expected));
    }
}

#[test]
fn fields_are_columns_or_tables() {
    let fields = |fields: &str| {
        vendor(&format!(
            "format = {{ type = 'csv' }}\n[vendors.fields]\n{fields}"
        ))
        .fields
    };
    let plain = fields("product_id = 'SKU'\nquantity = 3");
    assert_eq!(plain.product_id.column, name("SKU"));
    assert!(!plain.product_id.trim);
    assert_eq!(plain.quantity.columns, [number(3)]);
    assert_eq!(
        (plain.quantity.decimal, plain.quantity.thousands),
        ('.', None)
    );
    let tables = fields(
        "product_id = { field = 1, trim = true, prefix = 'acme-' }\n\
         quantity = { sum = ['Main', 4], words = { Y = 5, '10+' = 10, '' = 0, 'a.b c' = 1 }, decimal = ',', thousands = '.', trim = true }",
    );
    assert_eq!(
        tables.product_id,
        ProductIdField {
            column: number(1),
            trim: true,
            prefix: "acme-".to_owned(),
        }
    );
    let words = [("Y", 5), ("10+", 10), ("", 0), ("a.b c", 1)];
    assert_eq!(
        tables.quantity,
        QuantityField {
            columns: vec![name("Main"), number(4)],
            words: words.map(|(word, units)| (word.to_owned(), units)).into(),
            decimal: ',',
            thousands: Some('.'),
            trim: true,
        }
    );
    let json = vendor("[vendors.fields]\nquantity = { words = { yes = 1 } }").fields;
    assert_eq!(json.quantity.columns, [name("/quantity")]);
    assert_eq!(json.quantity.words, [("yes".to_owned(), 1)].into());
}

#[test]
fn codes_of_edi_may_be_numbers() {
    let written = "format = { type = 'x12_846' }\nfields = { product_id = 'SK', quantity = { sum = [33, '17'] } }";
    let fields = vendor(written).fields;
    assert_eq!(fields.product_id.column, name("SK"));
    assert_eq!(fields.quantity.columns, [number(33), name("17")]);
}

#[test]
fn rules_are_read() {
    let read = vendor(
        "[vendors.rules]\nabsent = 'keep'\nduplicates = 'sum'\nnegative = 'zero'\nfraction = 'floor'\nmax_rows = 9",
    );
    assert_eq!(read.kind, ReportKind::Delta);
    assert_eq!(
        read.rules,
        RuleOptions {
            duplicates: Duplicates::Sum,
            negative: Negative::Zero,
            fraction: Fraction::Floor,
            max_rows: Some(9),
        }
    );
    for (settings, expected) in [
        ("rules = { absent = 'zero' }", ReportKind::Full),
        (
            "kind = 'full'\nrules = { absent = 'zero' }",
            ReportKind::Full,
        ),
        (
            "kind = 'delta'\nrules = { absent = 'keep' }",
            ReportKind::Delta,
        ),
        ("rules = { duplicates = 'last' }", ReportKind::Full),
    ] {
        assert_eq!(vendor(settings).kind, expected, "{settings}");
    }
}

#[test]
fn guards_are_read() {
    let guard = |settings: &str| vendor(settings).guard;
    let share = |number| Share::parse(number).ok();
    assert_eq!(
        guard("guard = { max_drop = 0.5, max_flips = '0.25', min_rows = 1000 }"),
        Guard {
            max_drop: share(0.5),
            max_flips: share(0.25),
            min_rows: 1_000,
        }
    );
    let drop_only = Guard {
        max_drop: share(0.000_001),
        ..Guard::default()
    };
    assert_eq!(
        guard("kind = 'delta'\n[vendors.guard]\nmax_drop = 0.000001"),
        drop_only
    );
    assert_eq!(guard("guard = {}"), Guard::default());
}

#[test]
fn part_of_a_source_is_unambiguous() {
    let sheet =
        "format = { type = 'xlsx', sheet = 'A#b' }\nfields = { product_id = 1, quantity = 2 }";
    for (settings, expected) in [
        ("", ""),
        ("format = { items = '/a' }", "/a"),
        ("decode = { entry = 'a/b#c' }", "entry=a%2Fb%23c#"),
        (
            "decode = { entry = 'x' }\nformat = { items = '/a' }",
            "entry=x#/a",
        ),
        (sheet, "sheet=A%23b#"),
    ] {
        assert_eq!(vendor(settings).part_of_source(), expected, "{settings}");
    }
}
