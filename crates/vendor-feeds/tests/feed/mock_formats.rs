//! Each format × compression × encoding that a mock vendor writes is read back.

use std::num::NonZeroU32;

use domain::ports::VendorFeed;
use mock_vendor::script::{Script, ScriptedVendor};
use vendor_feeds::{
    AsOfFormat, AsOfOptions, Column, CsvOptions, EdiOptions, Encoding, FeedOptions, FormatOptions,
    Header, JsonItems, JsonOptions, ProductIdField, QuantityField, XlsxOptions, XmlOptions,
};

use super::feed_with;

pub(crate) const FIRST_ROW: Header = Header::Row(NonZeroU32::MIN);

/// A format as a script has it, and as a feed reads it.
#[derive(Clone)]
pub(crate) struct Case {
    /// The table of the script.
    pub(crate) script: &'static str,
    pub(crate) format: FormatOptions,
    pub(crate) product_id: &'static str,
    pub(crate) quantity: &'static str,
}

impl Case {
    /// Starts a vendor of this format.
    pub(crate) fn start(&self, lines: &str) -> ScriptedVendor {
        let text = format!(
            "[[vendors]]\nlisten = '127.0.0.1:0'\nformat = {{ {} }}\n{lines}\n",
            self.script
        );
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        script.start().unwrap().remove(0)
    }

    /// Sets the format and the fields of a feed.
    pub(crate) fn apply(&self, options: &mut FeedOptions) {
        options.format = self.format.clone();
        options.fields.product_id = ProductIdField::new(Column::Name(self.product_id.to_owned()));
        options.fields.quantity = QuantityField::new(Column::Name(self.quantity.to_owned()));
    }
}

fn as_of(field: &str) -> AsOfOptions {
    AsOfOptions {
        field: field.to_owned(),
        format: AsOfFormat::Rfc3339,
        zone: None,
    }
}

fn json_of(items: &str, items_are: JsonItems, as_of: Option<AsOfOptions>) -> FormatOptions {
    FormatOptions::Json(JsonOptions {
        items: items.to_owned(),
        items_are,
        as_of,
    })
}

/// A bare list.
pub(crate) fn json() -> Case {
    Case {
        script: "type = 'json'",
        format: json_of("", JsonItems::List, None),
        product_id: "/productId",
        quantity: "/quantity",
    }
}

pub(crate) fn ndjson() -> Case {
    Case {
        script: "type = 'ndjson'",
        format: FormatOptions::Ndjson,
        ..json()
    }
}

/// Semicolons, as European spreadsheets have them.
pub(crate) fn csv() -> Case {
    Case {
        script: "type = 'csv', delimiter = ';'",
        format: FormatOptions::Csv(CsvOptions {
            delimiter: b';',
            quote: b'"',
            header: FIRST_ROW,
            skip_rows: None,
        }),
        product_id: "sku",
        quantity: "quantity",
    }
}

pub(crate) fn xml() -> Case {
    Case {
        script: "type = 'xml', product_id = '@sku', quantity = 'stock/free', as_of = '/stock/@at'",
        format: FormatOptions::Xml(XmlOptions {
            items: "/stock/item".to_owned(),
            as_of: Some(as_of("/stock/@at")),
        }),
        product_id: "@sku",
        quantity: "stock/free",
    }
}

pub(crate) fn xlsx() -> Case {
    Case {
        script: "type = 'xlsx'",
        format: FormatOptions::Xlsx(XlsxOptions {
            sheet: None,
            header: FIRST_ROW,
            skip_rows: None,
        }),
        ..csv()
    }
}

fn x12() -> Case {
    Case {
        script: "type = 'x12_846'",
        format: FormatOptions::X12(EdiOptions::default()),
        product_id: "SK",
        quantity: "33",
    }
}

fn edifact() -> Case {
    Case {
        script: "type = 'edifact_invrpt'",
        format: FormatOptions::Edifact(EdiOptions::default()),
        product_id: "SA",
        quantity: "145",
    }
}

/// Every format, and the shapes of JSON.
fn cases() -> [Case; 10] {
    [
        json(),
        Case {
            script: "type = 'json', items = '/data/items', product_id = '/sku', quantity = '/n/free', as_of = '/at'",
            format: json_of("/data/items", JsonItems::List, Some(as_of("/at"))),
            product_id: "/sku",
            quantity: "/n/free",
        },
        Case {
            script: "type = 'json', items_are = 'map'",
            format: json_of("", JsonItems::Map, None),
            product_id: "",
            quantity: "",
        },
        Case {
            script: "type = 'json', items = '/stock', items_are = 'values'",
            format: json_of("/stock", JsonItems::Values, None),
            ..json()
        },
        ndjson(),
        csv(),
        xml(),
        xlsx(),
        x12(),
        edifact(),
    ]
}

const COMPRESSIONS: [&str; 5] = [
    "",
    "compression = { type = 'gzip' }",
    "compression = { type = 'gzip', members = 2 }",
    "compression = { type = 'gzip', content_encoding = true }",
    "compression = { type = 'zip', entry = 'stock' }",
];

/// Encodings, and whether the feed needs a setting for them in formats that do not declare theirs.
const CHARSETS: [(&str, bool); 5] = [
    ("utf-8", false),
    ("utf-16le", false),
    ("utf-16be", false),
    ("windows-1252", true),
    ("iso-8859-2", true),
];

/// The quantities of a feed, as text.
pub(crate) async fn read(url: &str, change: impl FnOnce(&mut FeedOptions)) -> String {
    match feed_with(url, change).fetch().await {
        Ok(fetched) => {
            let quantities = fetched.report.quantities().iter();
            let shown = quantities.map(|(product, units)| format!("{}={units}", product.as_str()));
            shown.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn each_format_in_each_compression_and_encoding_is_read_back() {
    let mut read_back = 0;
    for case in cases() {
        let is_workbook = matches!(case.format, FormatOptions::Xlsx(_));
        let declares = matches!(
            case.format,
            FormatOptions::Xml(_) | FormatOptions::Edifact(_)
        );
        for compression in COMPRESSIONS {
            for (charset, needs_setting) in CHARSETS {
                if is_workbook && charset != "utf-8" {
                    continue;
                }
                let vendor = case.start(&format!(
                    "stock = {{ '0012' = 0, 'A-1' = 1234, 'Müller' = 7 }}\ncharset = '{charset}'\n{compression}"
                ));
                let found = read(&vendor.url().unwrap(), |options| {
                    case.apply(options);
                    options.decode.charset = (needs_setting && !declares)
                        .then(|| Encoding::for_label(charset.as_bytes()).unwrap());
                })
                .await;
                let place = format!("{} {compression} {charset}", case.script);
                assert_eq!(found, "0012=0 A-1=1234 Müller=7", "{place}");
                read_back += 1;
            }
        }
    }
    assert_eq!(read_back, 9 * 5 * 5 + 5);
}

#[tokio::test]
async fn numbers_with_marks_are_read_back() {
    let numbers = "numbers = { decimals = 2, decimal = ',', thousands = '.' }";
    for case in cases() {
        // X12 knows the point only, and EDIFACT no thousands.
        let numbers = match case.format {
            FormatOptions::X12(_) => "numbers = { decimals = 1 }",
            FormatOptions::Edifact(_) => "numbers = { decimals = 1, decimal = ',' }",
            _ => numbers,
        };
        let vendor = case.start(&format!("stock = {{ A = 1234567, B = 5 }}\n{numbers}"));
        let found = read(&vendor.url().unwrap(), |options| {
            case.apply(options);
            options.fields.quantity.decimal = ',';
            options.fields.quantity.thousands = Some('.');
        })
        .await;
        assert_eq!(found, "A=1234567 B=5", "{}", case.script);
    }
}

#[tokio::test]
async fn columns_without_a_header_are_read_by_number() {
    let case = Case {
        script: "type = 'csv', header = false, quoting = 'always', quote = \"'\"",
        format: FormatOptions::Csv(CsvOptions {
            delimiter: b',',
            quote: b'\'',
            header: Header::None,
            skip_rows: None,
        }),
        ..csv()
    };
    let vendor = case.start("stock = { 'A,1' = 5, \"it's\" = 6 }");
    let found = read(&vendor.url().unwrap(), |options| {
        case.apply(options);
        let number = |number| Column::Number(NonZeroU32::new(number).unwrap());
        options.fields.product_id.column = number(1);
        options.fields.quantity.columns = vec![number(3)];
    })
    .await;
    assert_eq!(found, "A,1=5 it's=6");
}

#[tokio::test]
async fn archive_entry_is_read_by_its_name() {
    let case = csv();
    let vendor =
        case.start("stock = { A = 1 }\ncompression = { type = 'zip', entry = 'out/stock.csv' }");
    let url = vendor.url().unwrap();
    let with_entry = |entry: &'static str| {
        read(&url, move |options| {
            csv().apply(options);
            options.decode.entry = Some(entry.to_owned());
        })
    };
    assert_eq!(with_entry("out/stock.csv").await, "A=1");
    let problem = with_entry("stock.csv").await;
    assert!(problem.contains("out/stock.csv"), "{problem}");
}
