//! Feeds made from settings as users write them.

#![allow(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use domain::ports::ConfiguredFeed;
use settings::Settings;
use tempfile::{NamedTempFile, TempDir};

/// Returns the feeds of a settings file, without those of other layers.
fn feeds(settings: &str) -> Result<Vec<ConfiguredFeed>, String> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(settings.as_bytes()).unwrap();
    let none = Path::new("/nowhere/.env");
    let settings =
        Settings::load_with(Some(file.path()), none).map_err(|error| error.to_string())?;
    wiring::vendor_set(&settings).map_err(|error| format!("{error:#}"))?;
    wiring::configured_feeds(&settings.vendors).map_err(|error| format!("{error:#}"))
}

#[test]
fn examples_of_the_documentation_are_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/use/feeds.md");
    let page = fs::read_to_string(path).unwrap();
    let examples = page.split("```toml\n").skip(1);
    let examples: Vec<&str> = examples
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 2);
    let all = feeds(&examples.concat()).unwrap();
    let urls: Vec<&str> = all
        .iter()
        .map(|configured| configured.url.as_str())
        .collect();
    assert_eq!(
        urls,
        [
            "https://feeds.acme.example/stock.xml.gz",
            "file:///srv/feeds/globex/INVRPT_*.edi"
        ]
    );
}

#[test]
fn settings_that_only_a_format_can_check_are_named() {
    let with = |format: &str, fields: &str| {
        let vendor = "[[vendors]]\nid = 'v'\nurl = 'http://127.0.0.1/'\nsync_interval = '1m'\n";
        feeds(&format!(
            "{vendor}format = {{ {format} }}\nfields = {{ {fields} }}\n"
        ))
        .err()
        .unwrap()
    };
    let xml = "product_id = '@id', quantity = 'qty'";
    for (format, fields, problem) in [
        (
            "type = 'xml', items = 'item'",
            xml,
            r#"format.items is "item", expected an absolute path of element names such as /stock/item"#,
        ),
        (
            "type = 'xml', items = '/a/b', as_of = '/a/@d', as_of_zone = 'Mars/Phobos'",
            xml,
            r#"format.as_of_zone is "Mars/Phobos", which is not a time zone of this system's database"#,
        ),
        (
            "type = 'xml', items = '/a/b'",
            "product_id = 'g:id', quantity = 'qty'",
            r#"fields.product_id is "g:id": a name has no prefix: id matches every namespace, {uri}id one of them"#,
        ),
        (
            "type = 'csv', header = false",
            "product_id = 'SKU', quantity = 2",
            r#"fields.product_id is the column name "SKU", but format.header is false: columns have numbers only"#,
        ),
    ] {
        let expected = format!("vendor v cannot be read: {problem}");
        assert_eq!(with(format, fields), expected);
    }
}

/// Writes a file that has not been modified for a while, so that it is complete.
fn write(path: &Path, text: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50);
    file.set_modified(modified).unwrap();
}

#[tokio::test]
async fn all_settings_of_a_feed_have_an_effect() {
    let directory = TempDir::new().unwrap();
    write(
        &directory.path().join("stock_1.csv"),
        "Stock of today\nSKU;Main;Outlet\n 0012 ;1.234,0;10+\nA;-3;1,5\nA;2;\n",
    );
    let url = format!("file://{}/stock_*.csv", directory.path().display());
    let settings = format!(
        "[[vendors]]\nid = 'v'\nsync_interval = '1m'\nlag = '5m'\n\
         [vendors.source]\ntype = 'file'\nurl = '{url}'\n\
         [vendors.format]\ntype = 'csv'\ndelimiter = ';'\nheader_row = 2\n\
         [vendors.fields]\nproduct_id = {{ field = 'SKU', trim = true, prefix = 'v-' }}\n\
         quantity = {{ sum = ['Main', 3], words = {{ '10+' = 10, '' = 0 }}, decimal = ',', thousands = '.' }}\n\
         [vendors.rules]\nabsent = 'keep'\nduplicates = 'sum'\nnegative = 'zero'\nfraction = 'floor'\n"
    );
    let configured = feeds(&settings).unwrap().remove(0);
    assert_eq!(configured.url, url);
    let fetched = configured.feed.fetch().await.unwrap();
    let quantities = fetched.report.quantities().iter();
    let quantities: Vec<(&str, u32)> = quantities
        .map(|(product, units)| (product.as_str(), *units))
        .collect();
    assert_eq!(quantities, [("v-0012", 1_244), ("v-A", 3)]);
    assert_eq!(fetched.report.kind(), domain::report::ReportKind::Delta);
    assert!(fetched.times.is_file_time);
    let limited = settings.replace("absent = 'keep'", "max_rows = 2");
    let error = feeds(&limited).unwrap().remove(0).feed.fetch().await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("more than 2 records (rules.max_rows)"),
        "{error}"
    );
}
