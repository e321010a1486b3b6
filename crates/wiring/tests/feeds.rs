//! Feeds made from settings as users write them.

#![allow(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use domain::ports::{ConfiguredFeed, PushedDocument};
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
    // The files and variables of the examples do not exist.
    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, certificate.cert.pem()).unwrap();
    let secret = format!("_file = {secret:?}");
    let key_file = directory.path().join("key");
    fs::write(&key_file, certificate.signing_key.serialize_pem()).unwrap();
    let page = page
        .replace(r#"_env = "INITECH_PASSWORD""#, &secret)
        .replace(r#"_env = "VANDELAY_SECRET""#, &secret)
        .replace(r#"_file = "/run/secrets/hooli""#, &secret)
        .replace(r#"_env = "UMBRELLA_SECRET""#, &secret)
        .replace("/etc/order-aggregator/hooli.pem", ca_file.to_str().unwrap())
        .replace("/etc/order-aggregator/soylent", key_file.to_str().unwrap());
    let examples = page.split("```toml\n").skip(1);
    let examples: Vec<&str> = examples
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    // The last one is the guard of the vendor before it.
    assert_eq!(examples.len(), 9);
    let all = feeds(&examples.concat()).unwrap();
    let urls: Vec<&str> = all
        .iter()
        .map(|configured| configured.url.as_str())
        .collect();
    assert_eq!(
        urls,
        [
            "https://feeds.acme.example/stock.xml.gz",
            "file:///srv/feeds/globex/INVRPT_*.edi",
            "https://api.vandelay.example/v2/stock",
            "sftp://feeds.initech.example/out/stock_*.csv.gz",
            "sftp://sftp.soylent.example/~/export/stock_*.xlsx",
            "ftps://ftp.hooli.example/stock/latest.xml",
            "s3://umbrella-feeds/retail/stock_*.xlsx"
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

#[test]
fn settings_of_requests_are_checked_before_the_first_one() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let missing = path("missing");
    let (secret, pem) = (path("secret"), path("ca.pem"));
    fs::write(&secret, "a\nb\n").unwrap();
    fs::write(&pem, "no certificate").unwrap();
    let no_file = "which cannot be read: No such file or directory (os error 2)";
    for (source, problem) in [
        (
            format!("auth = {{ type = 'bearer', token_file = '{missing}' }}"),
            format!("source.auth.token_file is {missing}, {no_file}"),
        ),
        (
            format!("auth = {{ type = 'bearer', token_file = '{secret}' }}"),
            "source.auth.token has a character that a header cannot have".to_owned(),
        ),
        (
            format!("headers = {{ X-Key = {{ value_file = '{missing}' }} }}"),
            format!("source.headers.X-Key.value_file is {missing}, {no_file}"),
        ),
        (
            format!("ca_file = '{missing}'"),
            format!("source.ca_file is {missing}, which cannot be read: No such file or directory (os error 2)"),
        ),
        (
            format!("ca_file = '{pem}'"),
            "source.ca_file has no certificate in PEM".to_owned(),
        ),
        (
            "pages = { type = 'cursor', next = '/items/next' }".to_owned(),
            "source.pages.next is \"/items/next\", which contains the items or another field, or is inside it".to_owned(),
        ),
    ] {
        let settings = format!(
            "[[vendors]]\nid = 'v'\nsync_interval = '1m'\n[vendors.source]\ntype = 'http'\nurl = 'https://127.0.0.1/'\n{source}\n\
             [vendors.format]\nitems = '/items'\n"
        );
        let found = feeds(&settings).err().unwrap();
        assert_eq!(found, format!("vendor v cannot be read: {problem}"));
    }
}

#[test]
fn secrets_and_files_that_cannot_be_used_are_named() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "no key, no certificate").unwrap();
    let problem = |source: &str| {
        let csv = "format = { type = 'csv' }\nfields = { product_id = 1, quantity = 2 }";
        feeds(&format!(
            "[[vendors]]\nid = 'v'\nsync_interval = '1m'\n{csv}\nsource = {{ {source} }}\n"
        ))
        .err()
        .unwrap()
    };
    let password = format!("auth = {{ type = 'password', user = 'u', password_file = {file:?} }}");
    let key = format!("host_key = 'SHA256:{}'", "A".repeat(43));
    let sftp = "type = 'sftp', url = 'sftp://h/a.csv'";
    let ftps = "type = 'ftps', url = 'ftps://h/a.csv'";
    for (source, expected) in [
        (
            format!(
                "{sftp}, {key}, auth = {{ type = 'password', user = 'u', password_env = 'NOT_SET_BY_TESTS' }}"
            ),
            "source.auth.password_env names the variable NOT_SET_BY_TESTS, which has no value in the environment or in .env",
        ),
        (
            format!("{sftp}, {key}, auth = {{ type = 'key', user = 'u', key_file = {file:?} }}"),
            "source.auth.key_file is not a private key in the format of OpenSSH or PEM",
        ),
        (
            format!("{ftps}, {password}, ca_file = '/nowhere/ca.pem'"),
            "source.ca_file is /nowhere/ca.pem, which cannot be read: No such file or directory (os error 2)",
        ),
        (
            format!("{ftps}, {password}, ca_file = {file:?}"),
            "source.ca_file has no certificate in PEM",
        ),
        (
            format!("{ftps}, {password}, time_zone = 'Mars/Phobos'"),
            r#"source.time_zone is "Mars/Phobos", which is not a time zone of this system's database"#,
        ),
    ] {
        assert_eq!(
            problem(&source),
            format!("vendor v cannot be read: {expected}")
        );
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

#[tokio::test]
async fn vendor_that_pushes_has_a_receiver_and_no_feed() {
    let mut file = NamedTempFile::new().unwrap();
    let settings = "[[vendors]]\nid = 'a/b'\nlag = '5m'\nsource = { type = 'push' }\n\
        format = { type = 'csv', delimiter = ';' }\nfields = { product_id = 'SKU', quantity = 'Qty' }\n\
        rules = { absent = 'keep' }\n";
    file.write_all(settings.as_bytes()).unwrap();
    assert!(feeds(settings).unwrap().is_empty());
    let settings = Settings::load_with(Some(file.path()), Path::new("/nowhere/.env")).unwrap();
    let set = wiring::vendor_set(&settings).unwrap();
    let source = set.source_of(&settings.vendors[0].id).unwrap();
    assert_eq!(
        (source.as_str(), source.url()),
        ("push:a%2Fb", "push:a%2Fb")
    );

    let mut push_feeds = wiring::push_feeds(&settings.vendors).unwrap();
    let configured = push_feeds.remove(0);
    assert_eq!(configured.url, "push:a%2Fb");
    let mut upload = configured.feed.receive(PushedDocument::default()).unwrap();
    upload.write(b"SKU;Qty\n0012;4\n").await.unwrap();
    let feed = upload.finish().await.unwrap();
    assert_eq!(feed.lag(), Duration::from_mins(5));
    let report = feed.fetch().await.unwrap().report;
    assert_eq!(report.kind(), domain::report::ReportKind::Delta);
    let quantities: Vec<u32> = report.quantities().values().copied().collect();
    assert_eq!(quantities, [4]);
}

#[test]
fn setting_of_a_pushed_format_that_cannot_be_used_is_named() {
    let mut file = NamedTempFile::new().unwrap();
    let settings = "[[vendors]]\nid = 'v'\nsource = { type = 'push' }\n\
        format = { type = 'xml', items = 'item' }\nfields = { product_id = '@id', quantity = 'q' }\n";
    file.write_all(settings.as_bytes()).unwrap();
    let settings = Settings::load_with(Some(file.path()), Path::new("/nowhere/.env")).unwrap();
    let error = wiring::push_feeds(&settings.vendors).err().unwrap();
    let error = format!("{error:#}");
    assert!(
        error.starts_with("reports of vendor v cannot be read: format.items"),
        "{error}"
    );
}

#[tokio::test]
async fn secrets_of_set_variables_reach_the_vendor() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let lines = lines.map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
        stream.write_all(response.as_bytes()).unwrap();
        head
    });
    // Cargo sets these variables for each test: that of a process cannot be set without `unsafe`.
    let settings = format!(
        "[[vendors]]\nid = 'v'\nsync_interval = '1m'\n[vendors.source]\ntype = 'http'\nurl = 'http://{address}/stock'\n\
         auth = {{ type = 'bearer', token_env = 'CARGO_PKG_NAME' }}\n\
         headers = {{ X-Shop = '7', X-Tenant-Key = {{ value_env = 'CARGO_MANIFEST_DIR' }} }}\n"
    );
    let feed = feeds(&settings).unwrap().remove(0).feed;
    feed.fetch().await.unwrap();
    let head = server.join().unwrap();
    for (name, value) in [
        ("authorization", "Bearer wiring"),
        ("x-shop", "7"),
        ("x-tenant-key", env!("CARGO_MANIFEST_DIR")),
    ] {
        let sent = head.iter().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        assert_eq!(sent, Some(value), "{name} in {head:?}");
    }
}
