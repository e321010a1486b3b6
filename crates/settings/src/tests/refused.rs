//! Invalid settings: the error line of each is in a snapshot, and contains no secret.

use std::fmt::Display;

use api_keys::KeyHash;

use super::{file, with_environment};
use crate::environment::Variables;
use crate::renamed::RENAMED;
use crate::*;

/// Returns each source with its error.
fn errors<S: Display>(
    sources: impl IntoIterator<Item = S>,
    load: impl Fn(&str) -> Result<Settings, String>,
) -> String {
    let errors = sources.into_iter().map(|source| {
        let source = source.to_string();
        let error = load(&source).expect_err(&source);
        assert!(!error.contains('\n'), "more than one line: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        format!("{}\n    {error}\n\n", source.trim_end())
    });
    errors.collect()
}

/// Returns the error of each `NAME=value`.
fn of_variables<S: Display>(variables: impl IntoIterator<Item = S>) -> String {
    errors(variables, |variable| {
        let pair = variable.split_once('=').unwrap();
        with_environment(&[pair]).map_err(|error| error.to_string())
    })
}

/// Returns the error of each content of a file, which the error names FILE.
pub(super) fn of_files<S: Display>(contents: impl IntoIterator<Item = S>) -> String {
    errors(contents, |content| {
        let file = file(content);
        let loaded = Settings::load_from(Some(file.path()), &Variables::new(), &Variables::new());
        let name = file.path().file_name().unwrap().to_str().unwrap();
        loaded.map_err(|error| {
            let error = error.to_string();
            let (before, after) = error.split_once(name).unwrap();
            let start = before.rfind([' ', '"']).unwrap();
            format!("{}FILE{after}", &before[..=start])
        })
    })
}

fn key(name: &str, key: &str, roles: &str) -> String {
    let hash = KeyHash::of(key.as_bytes());
    format!("[[api_keys]]\nname = '{name}'\nroles = {roles}\nhash = '{hash}'\n")
}

fn vendor(id: &str, url: &str, rest: &str) -> String {
    format!("[[vendors]]\nid = '{id}'\nurl = '{url}'\nsync_interval = '1s'\n{rest}")
}

#[test]
fn invalid_variables_are_refused() {
    let hash = KeyHash::of(b"k");
    let errors = of_variables([
        "PORT=abc",
        "AGGREGATOR__WORKER__BATCH=0",
        "AGGREGATOR__API__WRITE_BATCH_SIZE=4097",
        "AGGREGATOR__API__WRITE_QUEUE_SIZE=0",
        "AGGREGATOR__API__BATCH_WRITERS=65",
        "AGGREGATOR__API__DRAIN_TIME=11m",
        "AGGREGATOR__WORKER__SWEEP_INTERVAL=15",
        "AGGREGATOR__WORKER__RELAY_LEASE=5s",
        "AGGREGATOR__WORKER__INTAKE_BATCH=1",
        "AGGREGATOR__TELEMETRY__FORMAT=xml\n",
        "AGGREGATOR__API__PORT__X=1",
        "AGGREGATOR__API__PROT=1",
        "AGGREGATOR__APP__PORT=1",
        "AGGREGATOR__VENDORS[0]__URL=1",
        "AGGREGATOR__RABBITMQ=hunter2",
        "RABBITMQ_URL=amqps://u:hunter2@",
        "AGGREGATOR__RABBITMQ__ALLOW_GUEST_PASSWORD=no",
        "RABBITMQ_URL=http://u:hunter2@h",
        "RABBITMQ_URL=hunter2",
        "RABBITMQ_URL=amqp://u:hunter2@h:99999",
        "RABBITMQ_URL=amqp://u:hunter2@",
        "RABBITMQ_URL=amqp://u:hunter2@h?heartbeat=1",
        "AGGREGATOR__API_KEYS=oa_hunter2",
        "AGGREGATOR__API_KEYS=shop:customer:oa_hunter2",
        &format!("AGGREGATOR__API_KEYS=shop:admin:{hash}"),
        &format!("AGGREGATOR__API_KEYS=shop:oa_hunter2:{hash}"),
        &format!("AGGREGATOR__API_KEYS=oa hunter2:customer:{hash}"),
        &format!("AGGREGATOR__API_KEYS=shop::{hash}"),
        &format!("AGGREGATOR__API_KEYS=shop:customer:{hash},"),
    ]);
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_settings_in_a_file_are_refused() {
    let errors = of_files([
        "[api]\nprot = 1",
        "[api]\nport = 3000.4",
        "[api]\nport = true",
        "[api]\nport = 65536",
        "[api]\nport = -1",
        "[api]\nport = 1\nport = 2\n",
        "[api]\naddress = 'localhost'",
        "[api]\nshutdown_timeout = 10",
        "[api]\nbody_timeout = '0s'",
        "[api]\nmax_event_streams = -1",
        "[api]\nevent_buffer_bytes = 1048575",
        "[api]\nevent_bytes_per_second = 1048575",
        "[api.rate_limit]\nrequests = -1",
        "[api.rate_limit]\nper = '999ms'",
        "[api.rate_limit]\nburst = 5",
        "[api.tls]\ncertificate = 'a.pem'",
        "[api.tls]\ncertificate = 'a.pem'\nkey = ''",
        "[database]\nname = '  '",
        "[database]\npassword = \"hunter2\n",
        "[database]\npassword = ['hunter2']\n",
        "[database]\nsslmode = 'prefer'",
        "[database]\nsslrootcert = 'ca.crt'",
        "[database]\nsslmode = 'require'\nsslcert = 'a.crt'",
        "[database]\nsslmode = 'require'\nsslkey = 'a.key'",
        "[database]\nsslmode = 'require'\nsslrootcert = ''",
        "[database]\nsslmode = 'verify-ca'",
        "[telemetry.traces]\nendpoint = 'collector:4318'",
        "[telemetry.traces]\nendpoint = 'http://me:secret@collector:4318'",
        "[telemetry.traces]\nsample_ratio = 1.5",
        "[telemetry.traces]\nsample_ratio = 'all'",
        "[rabbitmq.tls]\nroot_certificates = 'ca.crt'",
        "[rabbitmq]\nurl = 'amqps://u:hunter2@h'\n[rabbitmq.tls]\ncertificate = 'a.crt'",
        "[rabbitmq]\nurl = 'amqps://u:hunter2@h'\n[rabbitmq.tls]\nverify = false",
        "[worker]\nidempotency_key_retention = '23h'",
        "[worker]\nchange_log_retention = '59s'",
        "[worker]\nmax_runs = 0",
        "[embedded]\npath = ''",
        "[embedded]\nreaders = 0",
        "[embedded]\nwrite_timeout = '10m'",
    ]);
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_hosts_and_origins_are_refused() {
    let hosts = [
        "shop.example:80",
        "http://shop.example",
        "fd00::1",
        "a b",
        "*",
    ];
    let hosts = hosts.map(|host| format!("[api]\nallowed_hosts = ['good.example', '{host}']\n"));
    let origins = [
        "*",
        "null",
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "https://u:p@shop.example",
        "ftp://shop.example",
        "",
    ];
    let origins = origins
        .map(|origin| format!("[api]\ncors_origins = ['https://good.example', '{origin}']\n"));
    let errors = of_files(hosts.into_iter().chain(origins));
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_keys_are_refused() {
    let with_hash = |hash: &str| {
        format!("[[api_keys]]\nname = 'shop'\nroles = ['customer']\nhash = '{hash}'\n")
    };
    let errors = of_files([
        with_hash("oa_hunter2"),
        with_hash("sha256:hunter2"),
        key("a b", "k", "['customer']"),
        key("shop", "k", "[]"),
        key("shop", "k", "['customer', 'admin']"),
        key("shop", "k", "'customer'"),
        key("shop", "k", "['customer']") + "key = 'hunter2'",
        "[[api_keys]]\nname = 'shop'\nroles = ['customer']\n".to_owned(),
        key("shop", "k", "['customer']") + &key("desk", "k", "['operator']"),
        key("shop", "k", "['customer']") + &key("shop", "l", "['operator']"),
    ]);
    insta::assert_snapshot!(errors);
}

#[test]
fn invalid_vendors_are_refused() {
    let second = |rest: &str| vendor("ok", "http://a/", "") + &vendor("b", "http://b/", rest);
    let same_source = |url: &str| {
        let items = "[vendors.format]\nitems = '/a'\n";
        vendor("a", "http://h/stock?key=1", items) + &vendor("b", url, items)
    };
    let errors = of_files([
        second("timeout = '-1s'"),
        second("kind = 'some'"),
        second("lag = '169h'"),
        second("max_age = '0s'"),
        second("lag = '10m'\nmax_age = '10m'"),
        second("retires = 1"),
        second("format = { quantity = 'quantity' }"),
        second("format = { as_of = '/a~2' }"),
        second(&vendor("b", "http://c/", "")),
        "[[vendors]]\nid = 'a'\nsync_interval = '1s'".to_owned(),
        vendor("a", "ftp://a/", ""),
        vendor("a", "http://u:hunter2@h/", ""),
        vendor("", "http://a/", ""),
        "manual_vendors = ['x', 'vendor-b']".to_owned(),
        same_source("http://h/stock?key=1"),
        same_source("HTTP://H:80/stock?key=1"),
        same_source("http://h/stock?key=1#b"),
    ]);
    insta::assert_snapshot!(errors);
}

#[test]
fn old_names_are_refused_with_the_new_name() {
    let in_files = RENAMED.map(|(section, old, _)| match section {
        "vendors" => vendor("a", "http://a/", &format!("{old} = 1\n")),
        _ => format!("[{section}]\n{old} = 1\n"),
    });
    let in_sections = RENAMED.iter().filter(|(section, ..)| *section != "vendors");
    let in_variables = in_sections.map(|(section, old, _)| {
        format!("AGGREGATOR__{section}__{old}").to_ascii_uppercase() + "=1"
    });
    let errors = of_files(in_files) + &of_variables(in_variables);
    insta::assert_snapshot!(errors);
}

#[test]
fn vendors_with_different_sources_are_accepted() {
    let first = vendor("a", "http://h/stock?key=1", "format = { items = '/a' }\n");
    for (url, rest) in [
        ("http://h/stock?key=1", "format = { items = '/b' }\n"),
        ("http://h/stock?key=2", "format = { items = '/a' }\n"),
        ("http://h/other?key=1", "format = { items = '/a' }\n"),
        (
            "http://h/stock?key=1",
            "format = { items = '/a' }\ndecode = { entry = 'b' }\n",
        ),
    ] {
        let second = vendor("b", url, rest);
        super::with_file(&(first.clone() + &second)).unwrap();
    }
}

#[test]
fn missing_file_is_named_in_the_error() {
    let missing = Some(Path::new("no-such-file"));
    let missing = Settings::load_from(missing, &Variables::new(), &Variables::new());
    let error = missing.unwrap_err().to_string();
    assert!(error.starts_with(r#"settings file "no-such-file": cannot be read"#));
}

#[test]
fn debug_output_contains_no_secret() {
    let valid = with_environment(&[
        ("DB_PASSWORD", "hunter2"),
        ("RABBITMQ_URL", "amqp://u:hunter2@h"),
    ])
    .unwrap();
    let password = valid.database.password.as_ref().unwrap();
    assert_eq!(password.expose_secret(), "hunter2");
    assert!(!format!("{valid:?}").contains("hunter2"));
}

#[test]
fn new_names_are_settings_of_the_default_file() {
    for (_, old, new) in RENAMED {
        assert!(DEFAULTS.contains(&format!("\n{new} = ")), "{new}");
        assert!(!DEFAULTS.contains(&format!("\n{old} = ")), "{old}");
    }
}
