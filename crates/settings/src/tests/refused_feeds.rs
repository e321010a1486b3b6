//! Invalid settings of the feed of a vendor: the error line of each is in a snapshot.

use super::refused::of_files;

/// A vendor with these settings, which have its URL unless they have a source.
fn feed(settings: &str) -> String {
    let url = if settings.starts_with("source") {
        ""
    } else {
        "url = 'http://a/'\n"
    };
    format!("[[vendors]]\nid = 'a'\nsync_interval = '1s'\n{url}{settings}\n")
}

#[test]
fn invalid_sources_and_decodings_are_refused() {
    let sources = [
        "{ url = 'http://a/' }",
        "{ type = 'http' }",
        "{ type = 'http', url = 'file:///a' }",
        "{ type = 'http', url = 'http://u:hunter2@h/' }",
        "{ type = 'http', url = 'http://a/', user = 'u' }",
        "{ type = 'file', url = '/srv/stock.csv' }",
        "{ type = 'file', url = 'file://srv/stock.csv' }",
        "{ type = 'file', url = 'file:stock.csv' }",
        "{ type = 'file', url = 'file:///srv/' }",
        "{ type = 'file', url = 'file:///srv/*/stock.csv' }",
        "{ type = 'file', url = 'file:///srv/stock?.csv' }",
        "{ type = 'file', url = 'ftp://u:hunter2@h/stock.csv' }",
        "'http://a/'",
    ];
    let sources = sources.map(|source| feed(&format!("source = {source}")));
    let decodings = [
        "source = { type = 'http', url = 'http://a/' }\nurl = 'http://b/'",
        "max_bytes = 0",
        "max_bytes = 1\ndecode = { max_bytes = 1 }",
        "decode = { max_bytes = 1073741825 }",
        "decode = { max_decoded_bytes = 0 }",
        "decode = { max_ratio = '1.5' }",
        "decode = { charset = 'utf-7' }",
        "decode = { charset = 1 }",
        "decode = { entry = '' }",
        "decode = { archive = 'zip' }",
    ];
    let errors = of_files(sources.into_iter().chain(decodings.map(feed)));
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_remote_sources_are_refused() {
    let password = "auth = { type = 'password', user = 'u', password_env = 'P' }";
    let key = format!("host_key = 'SHA256:{}'", "A".repeat(43));
    let sftp = "type = 'sftp', url = 'sftp://h/a.csv'";
    let ftps = "type = 'ftps', url = 'ftps://h/a.csv'";
    let bucket = "type = 'bucket', url = 's3://b/a.csv'";
    let sources = [
        "type = 'ftp', url = 'ftp://h/a.csv'".to_owned(),
        sftp.to_owned(),
        format!("{sftp}, {key}"),
        format!("{sftp}, {password}"),
        format!("{sftp}, {password}, host_key = 'MD5:00'"),
        format!("{sftp}, {password}, {key}, tls = 'explicit'"),
        format!("{sftp}, {key}, auth = {{ type = 'basic', user = 'u' }}"),
        format!("{sftp}, {key}, auth = {{ type = 'password', user = 'u' }}"),
        format!("{sftp}, {key}, auth = {{ type = 'password', user = 'u', password = 'hunter2' }}"),
        format!(
            "{sftp}, {key}, auth = {{ type = 'password', user = 'u', password_env = 'P', password_file = '/p' }}"
        ),
        format!(
            "{sftp}, {key}, auth = {{ type = 'password', user = 'u', password_env = 'hunter2!' }}"
        ),
        format!("{sftp}, {key}, auth = {{ type = 'password', password_env = 'P' }}"),
        format!("{sftp}, {key}, auth = {{ type = 'key', user = 'u' }}"),
        format!(
            "{sftp}, {key}, auth = {{ type = 'key', user = 'u', key_file = '/k', password_env = 'P' }}"
        ),
        format!("{sftp}, {key}, auth = {{ type = 'access_key', id = 'i', secret_env = 'S' }}"),
        format!("type = 'sftp', url = 'hunter2', {key}, {password}"),
        format!("type = 'sftp', url = 'sftp://u:hunter2@h/a.csv', {key}, {password}"),
        format!("type = 'sftp', url = 'ssh://h/a.csv', {key}, {password}"),
        format!("type = 'sftp', url = 'sftp://h/out/', {key}, {password}"),
        format!("type = 'sftp', url = 'sftp://h', {key}, {password}"),
        format!("type = 'sftp', url = 'sftp:a.csv', {key}, {password}"),
        format!("type = 'sftp', url = 'sftp://h/*/a.csv', {key}, {password}"),
        format!("type = 'sftp', url = 'sftp://h/a?.csv', {key}, {password}"),
        format!("type = 'sftp', url = 'sftp://h/a%0A.csv', {key}, {password}"),
        ftps.to_owned(),
        format!("{ftps}, {password}, {key}"),
        format!("{ftps}, {password}, tls = 'none'"),
        format!("{ftps}, auth = {{ type = 'key', user = 'u', key_file = '/k' }}"),
        format!("{bucket}, {password}"),
        format!("{bucket}, region = ''"),
        format!("{bucket}, time_zone = 'UTC'"),
        format!("{bucket}, endpoint = 'https://u:hunter2@h'"),
        format!("{bucket}, auth = {{ type = 'access_key', id = 'i' }}"),
        "type = 'bucket', url = 's3://b:9000/a.csv'".to_owned(),
        "type = 'bucket', url = 's3://b/out/'".to_owned(),
        format!("type = 'file', url = 'file:///a.csv', {password}"),
        "type = 'file', url = 'file:///a.csv', after = 'remove'".to_owned(),
        "type = 'file', url = 'file:///a.csv', after = 'move:'".to_owned(),
        "type = 'file', url = 'file:///a.csv', after = 'move:../done'".to_owned(),
        "type = 'file', url = 'file:///a.csv', after = 'move:..'".to_owned(),
        "type = 'file', url = 'file:///a.csv', after = true".to_owned(),
        "type = 'http', url = 'https://h/a.csv', after = 'delete'".to_owned(),
    ];
    let errors = of_files(sources.map(|source| feed(&format!("source = {{ {source} }}"))));
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_formats_are_refused() {
    let with_fields = |format: &str| {
        feed(&format!(
            "format = {{ {format} }}\nfields = {{ product_id = 'A', quantity = 'B' }}"
        ))
    };
    let formats = [
        "type = 'yaml'",
        "type = 'xml'",
        "type = 'xml', items = '/a', single = true",
        "type = 'csv', items = '/a'",
        "type = 'csv', product_id = '/a'",
        "type = 'csv', as_of = '/a'",
        "type = 'csv', sheet = 'A'",
        "type = 'csv', delimiter = ''",
        "type = 'csv', delimiter = ', '",
        "type = 'csv', delimiter = 'x'",
        "type = 'csv', delimiter = '¦'",
        "type = 'csv', delimiter = '\"'",
        "type = 'csv', header = 'no'",
        "type = 'csv', header = 1",
        "type = 'csv', header = false, header_row = 2",
        "type = 'csv', header_row = 0",
        "type = 'xlsx', delimiter = ';'",
        "type = 'json', skip_rows = { field = 'A', values = ['Total'] }",
        "type = 'csv', skip_rows = { values = ['Total'] }",
        "type = 'csv', skip_rows = { field = 'A' }",
        "type = 'csv', skip_rows = { field = 'A', values = [] }",
        "type = 'csv', skip_rows = { field = 'A', values = ['Total', '**'] }",
        "type = 'xlsx', skip_rows = { field = 0, values = ['Total'] }",
        "type = 'xlsx', skip_rows = { field = 'A', values = ['Total'], rows = 1 }",
        "type = 'xlsx', skip_rows = 1",
        "type = 'x12_846', header = true",
        "type = 'edifact_invrpt', as_of_zone = 'UTC'",
        "type = 'edifact_invrpt', as_of = '/as_of'",
        "type = 'edifact_invrpt', as_of = '137', as_of_format = 'unix'",
        "type = 'x12_846', units = 'CT'",
        "type = 'x12_846', units = ['CT', 'carton']",
        "type = 'json', units = ['CT']",
        "type = 'ndjson', items = ''",
        "items = 'a'",
        "items_are = 'rows'",
        "single = true, items_are = 'map'",
        "as_of_zone = 'UTC'",
        "as_of = '/a', as_of_format = 'iso8601'",
        "as_of = '/a', as_of_format = 'unix', as_of_zone = 'UTC'",
        "delimiter = ','",
    ];
    let errors = of_files(formats.map(with_fields));
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_fields_and_rules_are_refused() {
    let json = [
        "format = { product_id = '/a' }\nfields = { product_id = '/a' }",
        "format = { quantity = '/a' }\nfields = { quantity = { sum = ['/b'] } }",
        "format = { items_are = 'map' }\nfields = { product_id = '/a' }",
        "fields = { product_id = 'a' }",
        "fields = { quantity = 2 }",
        "fields = { quantity = { sum = ['/a', 'b'] } }",
        "kind = 'full'\nrules = { absent = 'keep' }",
        "kind = 'delta'\nrules = { absent = 'zero' }",
        "rules = { absent = 'error' }",
        "rules = { duplicates = 'first' }",
        "rules = { negative = 'keep' }",
        "rules = { fraction = 'round' }",
        "rules = { max_rows = 0 }",
        "rules = { min_rows = 1 }",
    ];
    let csv = [
        "",
        "product_id = 'A'",
        "product_id = ''\nquantity = 2",
        "product_id = 0\nquantity = 2",
        "product_id = true\nquantity = 2",
        "product_id = ['A']\nquantity = 2",
        "product_id = { trim = true }\nquantity = 2",
        "product_id = { field = 'A', trim = 'yes' }\nquantity = 2",
        "product_id = { field = 'A', words = {} }\nquantity = 2",
        "product_id = 1\nquantity = { field = 2, sum = [3] }",
        "product_id = 1\nquantity = { sum = [] }",
        "product_id = 1\nquantity = { sum = 'B' }",
        "product_id = 1\nquantity = { sum = [2, 3, 2] }",
        "product_id = 1\nquantity = { field = 2, words = { yes = -1 } }",
        "product_id = 1\nquantity = { field = 2, decimal = '5' }",
        "product_id = 1\nquantity = { field = 2, thousands = '.' }",
        "product_id = 1\nquantity = { field = 2, thousands = '-' }",
        "product_id = 1\nquantity = { field = 2, divide = 10 }",
    ];
    let csv = csv.map(|fields| {
        feed(&format!(
            "format = {{ type = 'csv' }}\n[vendors.fields]\n{fields}"
        ))
    });
    let others = [
        ("xml', items = '/a/b", "product_id = ''\nquantity = 'q'"),
        ("xml', items = '/a/b", "product_id = '@id'\nquantity = 2"),
        ("x12_846", "product_id = 'SKUS'\nquantity = 33"),
        ("edifact_invrpt", "product_id = 'SA'\nquantity = '14 5'"),
    ];
    let others = others.map(|(kind, fields)| {
        feed(&format!(
            "format = {{ type = '{kind}' }}\n[vendors.fields]\n{fields}"
        ))
    });
    let errors = of_files(json.map(feed).into_iter().chain(csv).chain(others));
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_guards_are_refused() {
    let guards = [
        "guard = { max_drop = 50 }",
        "guard = { max_drop = 0 }",
        "guard = { max_drop = 1.0 }",
        "guard = { max_drop = -0.5 }",
        "guard = { max_drop = nan }",
        "guard = { max_drop = '50 %' }",
        "guard = { max_flips = true }",
        "guard = { max_flips = '1e-1' }",
        "guard = { min_rows = 0 }",
        "guard = { min_rows = 0.5 }",
        "guard = { max_rows = 1 }",
        "guard = 0.5",
        "kind = 'delta'\nguard = { min_rows = 1 }",
        "rules = { absent = 'keep' }\nguard = { min_rows = 1 }",
        "rules = { max_rows = 5 }\nguard = { min_rows = 6 }",
    ];
    let errors = of_files(guards.map(feed));
    insta::assert_snapshot!(errors);
}
