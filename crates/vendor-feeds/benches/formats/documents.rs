//! Writes the documents: products with an id, a title, a price and a quantity, in the order of their ids.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// One product.
struct Product {
    sku: String,
    title: String,
    price: String,
    qty: u32,
}

fn product(row: u32) -> Product {
    Product {
        sku: format!("SKU-{row:08}"),
        title: format!("Pencil no. {}, HB", row % 1000),
        price: format!("{}.{:02}", row % 90, row % 100),
        qty: row % 1000,
    }
}

/// Writes a document of a format.
pub(crate) fn write(format: &str, path: &Path, rows: u32) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let products = (0..rows).map(product);
    match format {
        "json" => json(&mut file, products),
        "ndjson" => ndjson(&mut file, products),
        "csv" => csv(&mut file, products),
        "xml" => xml(&mut file, products),
        "xlsx" => xlsx(&mut file, rows),
        "x12" => x12(&mut file, products, rows),
        "edifact" => edifact(&mut file, products, rows),
        other => panic!("no format {other}"),
    }
    let file = file.into_inner().unwrap();
    // A recent file might still grow: the feed would wait.
    let modified = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    file.set_modified(modified).unwrap();
}

fn item(product: &Product) -> String {
    let Product {
        sku,
        title,
        price,
        qty,
    } = product;
    format!(r#"{{"sku":"{sku}","title":"{title}","price":"{price}","qty":{qty}}}"#)
}

fn json(file: &mut impl Write, products: impl Iterator<Item = Product>) {
    write!(file, r#"{{"items":["#).unwrap();
    for (index, product) in products.enumerate() {
        let separator = if index == 0 { "" } else { "," };
        write!(file, "{separator}\n{}", item(&product)).unwrap();
    }
    write!(file, "]}}").unwrap();
}

fn ndjson(file: &mut impl Write, products: impl Iterator<Item = Product>) {
    for product in products {
        writeln!(file, "{}", item(&product)).unwrap();
    }
}

fn csv(file: &mut impl Write, products: impl Iterator<Item = Product>) {
    writeln!(file, "sku,title,price,qty").unwrap();
    for product in products {
        let Product {
            sku,
            title,
            price,
            qty,
        } = product;
        writeln!(file, "{sku},\"{title}\",{price},{qty}").unwrap();
    }
}

fn xml(file: &mut impl Write, products: impl Iterator<Item = Product>) {
    writeln!(file, r#"<?xml version="1.0" encoding="UTF-8"?><stock>"#).unwrap();
    for product in products {
        let Product {
            sku,
            title,
            price,
            qty,
        } = product;
        writeln!(
            file,
            "<item><sku>{sku}</sku><title>{title}</title><price>{price}</price><qty>{qty}</qty></item>"
        )
        .unwrap();
    }
    writeln!(file, "</stock>").unwrap();
}

/// As spreadsheet programs write it: texts are shared, so that the ids of all products are in their table.
fn xlsx(file: &mut (impl Write + std::io::Seek), rows: u32) {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    const TITLES: u32 = 1000;
    let mut zip = ZipWriter::new(file);
    let start = |zip: &mut ZipWriter<_>, name: &str| {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
    };
    let parts = [
        ("[Content_Types].xml", "<Types/>".to_owned()),
        (
            "_rels/.rels",
            format!(
                r#"<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Stock" sheetId="1" r:id="r1"/></sheets></workbook>"#
            ),
        ),
    ];
    for (name, xml) in parts {
        start(&mut zip, name);
        zip.write_all(xml.as_bytes()).unwrap();
    }
    let names = ["sku", "title", "price", "qty"];
    let count = rows + TITLES + 4;
    start(&mut zip, "xl/sharedStrings.xml");
    write!(
        zip,
        r#"<sst xmlns="{MAIN}" count="{count}" uniqueCount="{count}">"#
    )
    .unwrap();
    let titles = (0..TITLES).map(|row| product(row).title);
    let ids = (0..rows).map(|row| product(row).sku);
    for text in names
        .map(str::to_owned)
        .into_iter()
        .chain(titles)
        .chain(ids)
    {
        write!(zip, "<si><t>{text}</t></si>").unwrap();
    }
    write!(zip, "</sst>").unwrap();
    start(&mut zip, "xl/worksheets/sheet1.xml");
    write!(zip, r#"<worksheet xmlns="{MAIN}"><sheetData><row r="1">"#).unwrap();
    for (index, letter) in "ABCD".chars().enumerate() {
        write!(zip, r#"<c r="{letter}1" t="s"><v>{index}</v></c>"#).unwrap();
    }
    write!(zip, "</row>").unwrap();
    for row in 0..rows {
        let Product { price, qty, .. } = product(row);
        let (number, title, sku) = (row + 2, 4 + row % TITLES, 4 + TITLES + row);
        write!(
            zip,
            r#"<row r="{number}"><c r="A{number}" t="s"><v>{sku}</v></c><c r="B{number}" t="s"><v>{title}</v></c><c r="C{number}"><v>{price}</v></c><c r="D{number}"><v>{qty}</v></c></row>"#
        )
        .unwrap();
    }
    write!(zip, "</sheetData></worksheet>").unwrap();
    zip.finish().unwrap();
}

fn x12(file: &mut impl Write, products: impl Iterator<Item = Product>, rows: u32) {
    let isa = "ISA*00*          *00*          *ZZ*VENDOR         *ZZ*SHOP           *261123*1200*U*00401*000000042*0*P*>~";
    writeln!(file, "{isa}").unwrap();
    writeln!(file, "GS*IB*VENDOR*SHOP*20261123*1200*7*X*004010~").unwrap();
    writeln!(file, "ST*846*0001~\nBIA*00*SI*1*20261123~").unwrap();
    for product in products {
        let Product {
            sku, title, qty, ..
        } = product;
        writeln!(file, "LIN**SK*{sku}~\nPID*F****{title}~\nQTY*33*{qty}*EA~").unwrap();
    }
    writeln!(file, "SE*{}*0001~\nGE*1*7~\nIEA*1*42~", 3 * rows + 3).unwrap();
}

fn edifact(file: &mut impl Write, products: impl Iterator<Item = Product>, rows: u32) {
    writeln!(file, "UNB+UNOA:3+VENDOR+SHOP+261123:1200+42'").unwrap();
    writeln!(file, "UNH+1+INVRPT:D:96A:UN'\nBGM+35+1+9'").unwrap();
    for (index, product) in products.enumerate() {
        let Product {
            sku, title, qty, ..
        } = product;
        writeln!(
            file,
            "LIN+{}'\nPIA+1+{sku}:SA'\nIMD+F++:::{title}'\nQTY+145:{qty}:PCE'",
            index + 1
        )
        .unwrap();
    }
    writeln!(file, "UNT+{}+1'\nUNZ+1+42'", 4 * rows + 3).unwrap();
}
