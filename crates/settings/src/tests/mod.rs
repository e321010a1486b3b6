//! Layers and values, with variables and files made by the tests.

mod access;
mod http;
mod push;
mod refused;
mod refused_feeds;
mod sources;
mod vendors;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use domain::guard::Guard;
use tempfile::NamedTempFile;

use crate::environment::{Variables, read_dotenv, read_process};
use crate::*;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn with_environment(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::load_from(None, &Variables::new(), &variables(pairs))
}

fn file(content: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    file
}

fn with_file(content: &str) -> Result<Settings, SettingsError> {
    Settings::load_from(
        Some(file(content).path()),
        &Variables::new(),
        &Variables::new(),
    )
}

#[test]
fn defaults_are_as_documented() {
    let settings = with_environment(&[]).unwrap();
    assert_eq!(settings.api.address.to_string(), "127.0.0.1");
    assert_eq!((settings.api.port, settings.worker.port), (3000, 3001));
    assert!(settings.database.password.is_none());
    assert_eq!(settings.database.name, "order_aggregator");
    assert_eq!(
        settings.rabbitmq.url.expose_secret(),
        "amqp://guest:guest@127.0.0.1:5672"
    );
    assert_eq!(settings.database.sslmode, SslMode::Disable);
    assert!(settings.rabbitmq.allow_guest_password);
    assert_eq!(settings.api.drain_time, Duration::ZERO);
    assert_eq!(settings.telemetry.format, LogFormat::Text);
    assert_eq!(
        settings.worker.idempotency_key_retention,
        Duration::from_hours(24)
    );
    assert_eq!(
        settings.worker.change_log_retention,
        Duration::from_hours(1)
    );
    assert_eq!(settings.worker.max_runs, 1_000);
    let ids: Vec<String> = settings
        .vendor_ids()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(ids, ["vendor-a", "vendor-b", "seed"]);
    let vendor = &settings.vendors[0];
    let url = vendor.source.url().as_str();
    assert_eq!(url, "http://127.0.0.1:5001/vendorA/stock");
    assert_eq!(vendor.sync_interval, Some(Duration::from_secs(30)));
}

#[test]
fn vendor_without_optional_settings_gets_the_documented_defaults() {
    let vendor = "[[vendors]]\nid = 'x'\nurl = 'https://example.com/'\nsync_interval = '1s'\n";
    let settings = with_file(vendor).unwrap();
    let [short] = &settings.vendors[..] else {
        panic!("the list must replace the default one: {settings:?}");
    };
    let documented = &with_environment(&[]).unwrap().vendors[0];
    assert_eq!(short.timeout, documented.timeout);
    assert_eq!(short.retries, documented.retries);
    assert_eq!(short.kind, documented.kind);
    assert_eq!(short.decode, documented.decode);
    assert_eq!(short.format, documented.format);
    assert_eq!(short.fields, documented.fields);
    assert_eq!(short.rules, documented.rules);
    assert_eq!(short.guard, documented.guard);
    assert_eq!(short.guard, Guard::default());
}

#[test]
fn every_setting_in_the_default_file_has_a_comment() {
    let mut before = "";
    let second_vendor = DEFAULTS.rfind("[[vendors]]").unwrap();
    for line in DEFAULTS[..second_vendor].lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with('#'), "{line} has no comment above it");
        }
        before = line;
    }
}

#[test]
fn example_files_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dotenv = read_dotenv(&root.join(".env.example")).unwrap();
    assert_eq!(dotenv.len(), 8);
    let production = root.join("config/production.toml");
    let settings = Settings::load_from(Some(&production), &dotenv, &Variables::new()).unwrap();
    assert_eq!(settings.telemetry.format, LogFormat::Json);
    assert!(settings.database.password.is_none());
    assert!(settings.manual_vendors.is_empty());
}

#[test]
fn dotenv_values_are_taken_verbatim() {
    for (written, expected) in [
        ("pa$word", "pa$word"),
        ("pa${HOME}word", "pa${HOME}word"),
        ("$DB_USER", "$DB_USER"),
        ("\"pa$word\"", "pa$word"),
        ("'pa$word'", "pa$word"),
        ("\"pa\\nword\\$x\"", "pa\\nword\\$x"),
        (r"pa\nword", r"pa\nword"),
        ("pa word", "pa word"),
        ("pa #word", "pa #word"),
        ("pa#word", "pa#word"),
        ("  padded \t", "padded"),
        ("\"  padded \"", "  padded "),
        ("a=b==", "a=b=="),
        ("it's", "it's"),
        ("\"open", "\"open"),
        ("\"mixed'", "\"mixed'"),
        ("\"", "\""),
        ("'\"'", "\""),
        ("pässwörd✓", "pässwörd✓"),
        ("", ""),
    ] {
        for (before, end) in [("", "\n"), ("export ", "\r\n"), ("\u{feff}", "")] {
            let text = format!("{before}DB_PASSWORD={written}{end}");
            let file = file(&text);
            let read = read_dotenv(file.path()).unwrap();
            assert_eq!(read, variables(&[("DB_PASSWORD", expected)]), "{text:?}");
        }
    }
}

#[test]
fn dotenv_file_may_contain_comments_blank_lines_and_other_variables() {
    let text = "# PORT=1\n\n  #x\n OTHER-one.2 = $x\nPORT = 2\n\texport\tDB_NAME = n\nPORT=3\n";
    let file = file(text);
    let read = read_dotenv(file.path()).unwrap();
    assert_eq!(read, variables(&[("PORT", "3"), ("DB_NAME", "n")]));
    let missing = read_dotenv(Path::new("/nowhere/.env")).unwrap();
    assert!(missing.is_empty());
}

#[test]
fn malformed_dotenv_line_is_reported_by_number_and_not_quoted() {
    for line in [
        "secret",
        "=secret",
        "DB PASSWORD=secret",
        "export =secret",
        "a$b=secret",
    ] {
        let file = file(&format!("PORT=1\n\n{line}\n"));
        let error = read_dotenv(file.path()).unwrap_err().to_string();
        assert!(error.ends_with("line 3 is not NAME=value"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn later_layers_take_precedence_per_setting() {
    let file = file("[api]\nport = 1\nworkers = 3\n[worker]\nport = 11\n");
    let dotenv = variables(&[
        ("PORT", "2"),
        ("DB_NAME", "from_dotenv"),
        ("DB_USER", "lower"),
    ]);
    let process = variables(&[
        ("AGGREGATOR__API__PORT", "4"),
        ("DB_USER", "upper"),
        ("HOME", "/nowhere"),
    ]);
    let settings = Settings::load_from(Some(file.path()), &dotenv, &process).unwrap();
    assert_eq!(settings.api.port, 4);
    assert_eq!(settings.api.workers, 3);
    assert_eq!(settings.api.write_batch_size, 1_024);
    assert_eq!(settings.worker.port, 11);
    assert_eq!(settings.worker.batch, 1_024);
    assert_eq!(settings.database.name, "from_dotenv");
    assert_eq!(settings.database.user, "upper");
}

#[test]
fn all_short_variable_names_are_read() {
    let settings = with_environment(&[
        ("PORT", "1"),
        ("AGGREGATOR__API__PORT", "9"),
        ("WORKER_PORT", "2"),
        ("DB_USER", "u"),
        ("DB_PASSWORD", "123"),
        ("DB_HOST", "h"),
        ("DB_PORT", "3"),
        ("DB_NAME", "n"),
        ("RABBITMQ_URL", "amqp://a:b@c:4/v"),
        ("AGGREGATOR__MANUAL_VENDORS", "x, y"),
        ("AGGREGATOR__WORKER__RELAY_POLL_INTERVAL", ""),
    ])
    .unwrap();
    assert_eq!((settings.api.port, settings.worker.port), (1, 2));
    assert_eq!(settings.database.user, "u");
    let password = settings.database.password.unwrap();
    assert_eq!(password.expose_secret(), "123");
    assert_eq!(settings.database.host, "h");
    assert_eq!(settings.database.port, 3);
    assert_eq!(settings.database.name, "n");
    assert_eq!(settings.rabbitmq.url.expose_secret(), "amqp://a:b@c:4/v");
    assert_eq!(settings.manual_vendors.len(), 2);
    assert_eq!(settings.worker.relay_poll_interval, Duration::from_secs(1));
}

#[test]
fn tls_to_the_servers_is_read_from_variables() {
    let settings = with_environment(&[
        ("AGGREGATOR__DATABASE__SSLMODE", "verify-ca"),
        ("AGGREGATOR__DATABASE__SSLROOTCERT", "ca.crt"),
        ("AGGREGATOR__DATABASE__SSLCERT", "a.crt"),
        ("AGGREGATOR__DATABASE__SSLKEY", "a.key"),
        ("RABBITMQ_URL", "AMQPS://a:b@c/v"),
        ("AGGREGATOR__RABBITMQ__TLS__ROOT_CERTIFICATES", "b.crt"),
    ])
    .unwrap();
    let database = settings.database;
    assert_eq!(database.sslmode, SslMode::VerifyCa);
    assert_eq!(database.sslrootcert.unwrap().to_str(), Some("ca.crt"));
    let tls = settings.rabbitmq.tls;
    assert_eq!(tls.root_certificates.unwrap().to_str(), Some("b.crt"));
    assert!(tls.certificate.is_none() && tls.key.is_none());
}

#[test]
fn dotenv_is_optional_and_its_errors_quote_no_value() {
    assert_eq!(
        read_dotenv(Path::new("no-such-dotenv")),
        Ok(Variables::new())
    );
    let file = file("# a\nDB_USER=me\nOTHER=1\nDB_PASSWORD 'hunter2\n");
    let text = read_dotenv(file.path()).unwrap_err().to_string();
    assert!(text.contains("line 4 is not NAME=value"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn other_variables_need_not_be_utf8() {
    let bytes = || OsString::from_vec(vec![0xff]);
    let settings = read_process([(bytes(), bytes()), ("HOME".into(), bytes())]);
    assert_eq!(settings, Ok(Variables::new()));
    assert!(read_process([("PORT".into(), bytes())]).is_err());
}
