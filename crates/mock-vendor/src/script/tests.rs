//! Scripts that are valid, and the lines of those that are not.

use super::*;

const VENDOR: &str = "[[vendors]]\nlisten = '127.0.0.1:0'\nstock = { 'A-1' = 5, 'B-2' = 0 }\n";

fn problem(text: &str) -> String {
    Script::parse(text).unwrap_err().to_string()
}

/// The documents of a vendor at its first requests.
fn documents(text: &str, count: u64) -> Vec<String> {
    let script = Script::parse(text).unwrap();
    let plan = &script.vendors[0].plan;
    let now = "2026-11-30T12:00:00Z".parse().unwrap();
    let document = |request| {
        let bytes = plan.document(plan.at(request), now, None).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    (0..count).map(document).collect()
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    for (text, expected) in [
        (
            "[[vendors]]\nlisten = '127.0.0.1:0'\ncolor = 'red'\nstock = {}\n",
            "line 3: unknown field `color`, expected one of ",
        ),
        (
            &format!("{VENDOR}[vendors.format]\ntype = 'csv'\n\nseparator = ';'\n"),
            "line 7: unknown field `separator`, expected one of ",
        ),
        (
            &format!("{VENDOR}format = {{ type = 'csv', items = '/a' }}\n"),
            "line 4: unknown field `items`, expected one of ",
        ),
        (
            &format!(
                "{VENDOR}[[vendors.steps]]\nrequests = 1\nfault = {{ kind = 'status', code = 1 }}\n"
            ),
            "line 6: unknown field `code`, expected `status`",
        ),
        (
            &format!("{VENDOR}[vendors.auth]\ntype = 'bearer'\nsecret = 'a'\n"),
            "line 6: unknown field `secret`, expected `token`",
        ),
        (
            &format!("{VENDOR}compression = {{ type = 'none', members = 2 }}\n"),
            "line 4: unknown field `members`",
        ),
        (
            &format!("{VENDOR}[[vendors.steps]]\nfault = {{ kind = 'quake' }}\n"),
            "line 5: unknown variant `quake`, expected one of ",
        ),
        ("[[vendors]]\nlisten = 5\n", "line 2: "),
        ("vendors = 5\n", "line 1: "),
        ("[[vendors]\n", "line 1: "),
    ] {
        let found = problem(text);
        assert!(found.starts_with(expected), "{text}\n{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
}

#[test]
fn combinations_that_cannot_be_are_refused_with_their_line() {
    for (lines, line, expected) in [
        ("products = 3", 1, "a vendor needs either stock or products"),
        (
            "interval_s = 5",
            1,
            "interval_s needs transport = \"file\", \"sftp\", \"ftps\", \"bucket\" or \"push\"",
        ),
        ("path = 'stock'", 1, "path must start with /"),
        (
            "format = { type = 'json', as_of = '/as_of' }",
            1,
            "a document with more than its items needs format.items",
        ),
        (
            "format = { type = 'xlsx' }\ncharset = 'utf-16le'",
            1,
            "a workbook has no charset",
        ),
        (
            "charset = 'utf-9'",
            4,
            "\"utf-9\" is not an encoding, expected a name such as \"windows-1252\" or \"utf-16le\"",
        ),
        (
            "as_of = 'today'",
            4,
            "\"today\" is not an instant, expected \"now\" or a text such as \"2026-11-30T12:00:00Z\"",
        ),
        (
            "as_of_zone = 'Berlin'",
            4,
            "\"Berlin\" is not a time zone, expected a name such as \"Europe/Berlin\"",
        ),
        (
            "headers = { 'a b' = 'c' }",
            1,
            "headers has \"a b\", which is not a header field",
        ),
        (
            "\npages = { type = 'page', size = 0 }",
            5,
            "pages.size is 0, expected 1 or more",
        ),
        (
            "compression = { type = 'gzip', members = 0 }",
            1,
            "compression.members is 0, expected 1 or more",
        ),
    ] {
        let text = format!("{VENDOR}{lines}\n");
        assert_eq!(problem(&text), format!("line {line}: {expected}"), "{text}");
    }
}

#[test]
fn faults_that_a_vendor_cannot_have_are_refused_with_their_line() {
    for (lines, line, expected) in [
        (
            "[[vendors.steps]]\n[[vendors.steps]]\nrequests = 1",
            5,
            "this step is never reached: the step before it has no requests",
        ),
        (
            "[[vendors.steps]]\nrequests = 1\nfault = { kind = 'empty' }",
            6,
            "the fault needs transport = \"file\", \"sftp\", \"ftps\" or \"bucket\"",
        ),
        (
            "[[vendors.steps]]\nfault = { kind = 'changed_total' }",
            5,
            "the fault needs pages with a total",
        ),
        (
            "format = { type = 'csv' }\n[[vendors.steps]]\nfault = { kind = 'php_map' }",
            6,
            "the fault needs format.type = \"json\"",
        ),
        (
            "charset = 'windows-1252'\n[[vendors.steps]]\nfault = { kind = 'invalid_byte' }",
            6,
            "the fault needs a text in UTF-8",
        ),
        (
            "[[vendors.steps]]\nfault = { kind = 'raw_quantity', value = 'nil' }",
            5,
            "\"nil\" is not JSON: expected ident at line 1 column 2",
        ),
        (
            "format = { type = 'csv' }\npages = { type = 'cursor', next = '/next' }",
            1,
            "next and total of pages need format.type = \"json\"",
        ),
        (
            "auth = { type = 'header', name = 'a b', value = 'c' }",
            4,
            "\"a b\" is not the name of a header field",
        ),
        (
            "[[vendors.steps]]\nfault = { kind = 'drop', share = 2.0 }",
            5,
            "the fault needs a share from 0 to 1",
        ),
    ] {
        let text = format!("{VENDOR}{lines}\n");
        assert_eq!(problem(&text), format!("line {line}: {expected}"), "{text}");
    }
}

#[test]
fn vendors_of_files_need_what_files_have() {
    let file = "[[vendors]]\ntransport = 'file'\nstock = {}\n";
    for (lines, line, expected) in [
        ("", 1, "transport = \"file\" needs directory"),
        ("directory = 'x'", 1, "transport = \"file\" needs file_name"),
        (
            "directory = 'x'\nfile_name = 'a/%Q'",
            5,
            "file_name is not a name with a pattern of strftime, such as \"stock_%Y%m%d_%H%M%S.csv\"",
        ),
        (
            "directory = 'x'\nfile_name = 'a'\nlisten = '127.0.0.1:0'",
            1,
            "listen needs transport = \"http\", \"sftp\", \"ftps\" or \"bucket\"",
        ),
        (
            "directory = 'x'\nfile_name = 'a'\n[[vendors.steps]]\nfault = { kind = 'hang' }",
            7,
            "the fault needs transport = \"http\", \"sftp\", \"ftps\" or \"bucket\"",
        ),
    ] {
        let text = format!("{file}{lines}\n");
        assert_eq!(problem(&text), format!("line {line}: {expected}"), "{text}");
    }
}

#[cfg(all(
    feature = "sftp",
    feature = "ftps",
    feature = "bucket",
    feature = "push"
))]
#[test]
fn vendors_with_servers_need_what_their_transport_has() {
    let server = "listen = '127.0.0.1:0'\nfile_name = 'a'\n";
    for (transport, lines, line, expected) in [
        (
            "sftp",
            "file_name = 'a'",
            1,
            "transport = \"sftp\" needs listen",
        ),
        (
            "sftp",
            "listen = '127.0.0.1:0'",
            1,
            "transport = \"sftp\" needs file_name",
        ),
        ("ftps", server, 1, "transport = \"ftps\" needs ca_file"),
        (
            "bucket",
            server,
            1,
            "transport = \"bucket\" needs directory",
        ),
        (
            "bucket",
            &format!("{server}directory = '/feeds'"),
            1,
            "directory must be the name of a bucket, or a bucket and a prefix such as \"feeds/daily\"",
        ),
        ("push", "", 1, "transport = \"push\" needs url"),
        (
            "push",
            "url = 'https://127.0.0.1/reports'",
            4,
            "url is not a URL such as \"http://127.0.0.1:3000/api/v1/vendors/acme/reports\"",
        ),
        (
            "sftp",
            "time_zone = 'Europe/Berlin'",
            1,
            "time_zone needs transport = \"ftps\"",
        ),
        (
            "bucket",
            "tls = 'implicit'",
            1,
            "tls needs transport = \"ftps\"",
        ),
        (
            "push",
            "pages = { type = 'link_header' }",
            1,
            "pages needs transport = \"http\"",
        ),
        (
            "sftp",
            "auth = { type = 'basic', user = 'a', password = 'b' }",
            4,
            "this auth.type needs transport = \"http\"",
        ),
        (
            "bucket",
            "auth = { type = 'password', user = 'a', password = 'b' }",
            4,
            "this auth.type needs transport = \"sftp\" or \"ftps\"",
        ),
        (
            "sftp",
            "auth = { type = 'key', user = 'a', public_key = 'ssh-rsa x' }",
            4,
            "public_key is not a public key in the format of OpenSSH, such as \"ssh-ed25519 AAAA…\"",
        ),
        (
            "sftp",
            &format!("{server}[[vendors.steps]]\nfault = {{ kind = 'status', status = 500 }}"),
            7,
            "the fault needs transport = \"http\"",
        ),
        (
            "push",
            "url = 'http://localhost/'\n[[vendors.steps]]\nfault = { kind = 'cut' }",
            6,
            "the fault needs transport = \"sftp\", \"ftps\" or \"bucket\"",
        ),
        (
            "sftp",
            &format!("{server}compression = {{ type = 'gzip', content_encoding = true }}"),
            1,
            "compression.content_encoding needs transport = \"http\" or \"push\"",
        ),
    ] {
        let text = format!("[[vendors]]\ntransport = '{transport}'\nstock = {{}}\n{lines}\n");
        assert_eq!(problem(&text), format!("line {line}: {expected}"), "{text}");
    }
}

#[test]
fn new_stock_stays_and_other_changes_end_with_their_step() {
    let text = format!(
        "{VENDOR}format = {{ type = 'csv', header = false }}\n\
         [[vendors.steps]]\nrequests = 1\n\
         [[vendors.steps]]\nrequests = 2\nstock = {{ 'A-1' = 4 }}\nfault = {{ kind = 'duplicate' }}\n\
         [[vendors.steps]]\nrequests = 1\nfault = {{ kind = 'quantity', value = '10+' }}\n"
    );
    let twice = "A-1,Product A-1,4\r\nA-1,Product A-1,4\r\n";
    assert_eq!(
        documents(&text, 6),
        [
            "A-1,Product A-1,5\r\nB-2,Product B-2,0\r\n",
            twice,
            twice,
            "A-1,Product A-1,10+\r\n",
            "A-1,Product A-1,4\r\n",
            "A-1,Product A-1,4\r\n",
        ]
    );
}

#[test]
fn as_of_is_written_in_each_way() {
    let json = "format = { type = 'json', items = '/items', as_of = '/as_of' }\n";
    for (lines, expected) in [
        ("", "\"2026-11-30T12:00:00Z\""),
        ("as_of_format = 'unix'", "1796040000"),
        ("as_of_format = 'unix_ms'", "1796040000000"),
        (
            "as_of_format = 'http_date'",
            "\"Mon, 30 Nov 2026 12:00:00 GMT\"",
        ),
        (
            "as_of_format = '%Y-%m-%dT%H:%M:%S'\nas_of_zone = 'Europe/Berlin'",
            "\"2026-11-30T13:00:00\"",
        ),
        (
            "as_of_format = '%Y-%m-%dT%H:%M:%S%z'\nas_of_zone = 'Europe/Berlin'",
            "\"2026-11-30T13:00:00+0100\"",
        ),
        (
            "as_of = '2020-01-01T00:00:00+01:00'",
            "\"2019-12-31T23:00:00Z\"",
        ),
    ] {
        let text = format!("{VENDOR}{json}{lines}\n");
        let found = documents(&text, 1).remove(0);
        assert!(
            found.starts_with(&format!("{{\"as_of\":{expected},")),
            "{lines}: {found}"
        );
    }
}

#[test]
fn generated_products_and_a_drop_are_counted() {
    let text = "[[vendors]]\nlisten = '127.0.0.1:0'\nproducts = 1000\nformat = { type = 'ndjson' }\n\
        [[vendors.steps]]\nrequests = 1\n[[vendors.steps]]\nfault = { kind = 'drop', share = 0.8 }\n";
    let lines: Vec<usize> = documents(text, 2)
        .iter()
        .map(|text| text.lines().count())
        .collect();
    assert_eq!(lines, [1000, 200]);
}
