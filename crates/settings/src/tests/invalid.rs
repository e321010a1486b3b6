//! Invalid settings: the error messages, and that they contain no secret.

use super::{with_environment, with_file};
use crate::environment::Variables;
use crate::*;

fn message(result: Result<Settings, SettingsError>) -> String {
    let message = result.unwrap_err().to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

#[test]
fn error_names_the_setting_its_origin_and_the_expected_value() {
    let cases = [
        (
            ("PORT", "abc"),
            r#"setting api.port (from PORT in the environment): is "abc", expected an integer from 0 to 65535"#,
        ),
        (
            ("AGGREGATOR__WORKER__BATCH", "0"),
            r#"setting worker.batch (from AGGREGATOR__WORKER__BATCH in the environment): is "0", expected an integer from 1 to 4096"#,
        ),
        (
            ("AGGREGATOR__API__WRITE_BATCH_SIZE", "4097"),
            r#"setting api.write_batch_size (from AGGREGATOR__API__WRITE_BATCH_SIZE in the environment): is "4097", expected an integer from 1 to 4096"#,
        ),
        (
            ("AGGREGATOR__API__WRITE_QUEUE_SIZE", "0"),
            r#"setting api.write_queue_size (from AGGREGATOR__API__WRITE_QUEUE_SIZE in the environment): is "0", expected an integer from 1 to 1000000"#,
        ),
        (
            ("AGGREGATOR__API__BATCH_WRITERS", "65"),
            r#"setting api.batch_writers (from AGGREGATOR__API__BATCH_WRITERS in the environment): is "65", expected an integer from 1 to 64"#,
        ),
        (
            ("AGGREGATOR__WORKER__SWEEP_INTERVAL", "15"),
            r#"setting worker.sweep_interval (from AGGREGATOR__WORKER__SWEEP_INTERVAL in the environment): is "15", expected a duration from 100ms to 1h, such as 500ms, 30s, 5m or 24h"#,
        ),
        (
            ("AGGREGATOR__TELEMETRY__FORMAT", "xml\n"),
            r#"setting telemetry.format (from AGGREGATOR__TELEMETRY__FORMAT in the environment): is "xml\n", expected text or json"#,
        ),
        (
            ("AGGREGATOR__API__PORT__X", "1"),
            "setting api.port (from AGGREGATOR__API__PORT__X in the environment): has the wrong type, expected a string or a number",
        ),
        (
            ("AGGREGATOR__WORKER__RELAY_LEASE", "5s"),
            "setting worker.relay_lease (from AGGREGATOR__WORKER__RELAY_LEASE in the environment): is 5s, expected more than \
             rabbitmq.confirm_timeout, which is 10s: another relay would publish entries again while their confirm is pending",
        ),
    ];
    for ((name, value), expected) in cases {
        assert_eq!(message(with_environment(&[(name, value)])), expected);
    }
}

#[test]
fn unknown_settings_are_rejected_by_name() {
    let unknown = message(with_environment(&[("AGGREGATOR__API__PROT", "1")]));
    assert!(
        unknown.starts_with("setting api.prot (from AGGREGATOR__API__PROT in the environment): unknown field `prot`, expected one of `address`, `port`"),
        "{unknown}"
    );
    let section = message(with_environment(&[("AGGREGATOR__APP__PORT", "1")]));
    assert!(section.contains("AGGREGATOR__APP__PORT"), "{section}");
    let shape = message(with_environment(&[("AGGREGATOR__VENDORS[0]__URL", "1")]));
    assert!(
        shape.contains("setting AGGREGATOR__VENDORS[0]__URL"),
        "{shape}"
    );
    let file = message(with_file("unknown", "[api]\nprot = 1\n"));
    assert!(file.contains("setting api.prot (from "), "{file}");
    assert!(file.contains("unknown): unknown field `prot`"), "{file}");
}

#[test]
fn invalid_settings_in_a_file_are_rejected() {
    let cases = [
        (
            "api.port",
            "is a floating-point number",
            "[api]\nport = 3000.4".to_owned(),
        ),
        ("api.port", "is a boolean", "[api]\nport = true".to_owned()),
        (
            "api.port",
            "is 65536, expected",
            "[api]\nport = 65536".to_owned(),
        ),
        ("api.port", "is -1, expected", "[api]\nport = -1".to_owned()),
        (
            "api.address",
            "is \"localhost\"",
            "[api]\naddress = 'localhost'".to_owned(),
        ),
        (
            "api.shutdown_timeout",
            "is a number",
            "[api]\nshutdown_timeout = 10".to_owned(),
        ),
        (
            "database.name",
            "is \"  \"",
            "[database]\nname = '  '".to_owned(),
        ),
        (
            "api.max_event_streams",
            "from 0 to 100000",
            "[api]\nmax_event_streams = -1".to_owned(),
        ),
        (
            "api.event_buffer_bytes",
            "from 1048576 to",
            "[api]\nevent_buffer_bytes = 1048575".to_owned(),
        ),
        (
            "api.event_bytes_per_second",
            "from 1048576 to",
            "[api]\nevent_bytes_per_second = 1048575".to_owned(),
        ),
        (
            "worker.idempotency_key_retention",
            "from 24h",
            "[worker]\nidempotency_key_retention = '23h'".to_owned(),
        ),
        (
            "worker.change_log_retention",
            "from 1m to 168h",
            "[worker]\nchange_log_retention = '59s'".to_owned(),
        ),
    ];
    for (name, problem, content) in cases {
        assert_rejected(name, problem, &content);
    }
}

#[test]
fn invalid_vendors_in_a_file_are_rejected() {
    let vendor = |rest: &str| {
        format!(
            "[[vendors]]\nid = 'ok'\nurl = 'http://a/'\nsync_interval = '1s'\n\
             [[vendors]]\nid = 'b'\nurl = 'http://b/'\nsync_interval = '1s'\n{rest}"
        )
    };
    let cases = [
        (
            "vendors[1].timeout",
            "is \"-1s\"",
            vendor("timeout = '-1s'"),
        ),
        (
            "vendors[1].kind",
            "expected full or delta",
            vendor("kind = 'some'"),
        ),
        ("vendors[1].lag", "is \"169h\"", vendor("lag = '169h'")),
        ("vendors[1].max_age", "is \"0s\"", vendor("max_age = '0s'")),
        (
            "vendors[1].max_age",
            "expected more than the vendor's lag, which is 600s",
            vendor("lag = '10m'\nmax_age = '10m'"),
        ),
        ("vendors[1].retires", "unknown field", vendor("retires = 1")),
        (
            "vendors[1].format.quantity",
            "JSON pointer",
            vendor("format = { quantity = 'quantity' }"),
        ),
        (
            "vendors[1].format.as_of",
            "JSON pointer",
            vendor("format = { as_of = '/a~2' }"),
        ),
        (
            "vendors[0]",
            "url is missing",
            "[[vendors]]\nid = 'a'\nsync_interval = '1s'".to_owned(),
        ),
        (
            "vendors[0].url",
            "starts with http://",
            "[[vendors]]\nid = 'a'\nsync_interval = '1s'\nurl = 'ftp://a/'".to_owned(),
        ),
        (
            "vendors[0].id",
            "must not be blank",
            "[[vendors]]\nid = ''\nsync_interval = '1s'\nurl = 'http://a/'".to_owned(),
        ),
        (
            "vendors[2].id",
            "the id of another vendor",
            vendor("[[vendors]]\nid = 'b'\nurl = 'http://c/'\nsync_interval = '1s'"),
        ),
        (
            "manual_vendors[1]",
            "the id of another vendor",
            "manual_vendors = ['x', 'vendor-b']".to_owned(),
        ),
    ];
    for (name, problem, content) in cases {
        assert_rejected(name, problem, &content);
    }
}

/// Asserts that a file with this content is rejected for the setting `name`.
fn assert_rejected(name: &str, problem: &str, content: &str) {
    let text = message(with_file(name, content));
    let start = format!("setting {name} (from ");
    assert!(text.starts_with(&start), "{content}: {text}");
    assert!(text.contains(problem), "{content}: {text}");
}

#[test]
fn invalid_settings_of_the_data_file_are_rejected() {
    let cases = [
        ("path", "''", r#"is "", expected a string"#),
        ("readers", "0", "is 0, expected an integer from 1 to 64"),
        (
            "write_timeout",
            "'10m'",
            "expected a duration from 10ms to 5m",
        ),
    ];
    for (name, value, problem) in cases {
        let content = format!("[embedded]\n{name} = {value}\n");
        let text = message(with_file(&format!("embedded-{name}"), &content));
        let start = format!("setting embedded.{name} (from ");
        assert!(text.starts_with(&start) && text.contains(problem), "{text}");
    }
}

#[test]
fn two_vendors_with_the_same_source_are_rejected() {
    let vendor = |id: &str, url: &str, items: &str| {
        format!(
            "[[vendors]]\nid = '{id}'\nsync_interval = '1s'\nurl = '{url}'\n[vendors.format]\nitems = '{items}'\n"
        )
    };
    let both = |url: &str, items: &str| {
        let text = vendor("a", "http://h/stock?key=1", "/a") + &vendor("b", url, items);
        with_file("sources", &text)
    };
    for same in [
        "http://h/stock?key=1",
        "HTTP://H:80/stock?key=1",
        "http://h/stock?key=1#b",
    ] {
        let text = message(both(same, "/a"));
        assert!(text.starts_with("setting vendors[1].url"), "{text}");
        assert!(text.contains("the source of vendor \"a\""), "{text}");
        assert!(!text.contains("key"), "{text}");
    }
    both("http://h/stock?key=1", "/b").unwrap();
    both("http://h/stock?key=2", "/a").unwrap();
    both("http://h/other?key=1", "/a").unwrap();
}

#[test]
fn unreadable_file_is_named_in_the_error() {
    let missing = Settings::load_from(
        Some(Path::new("no-such-file")),
        &Variables::new(),
        &Variables::new(),
    );
    assert!(message(missing).starts_with(r#"settings file "no-such-file": cannot be read"#));
    let syntax = message(with_file("syntax", "[database]\npassword = \"hunter2\n"));
    assert!(syntax.contains("line 2"), "{syntax}");
    assert!(!syntax.contains("hunter2"), "{syntax}");
    let twice = message(with_file("twice", "[api]\nport = 1\nport = 2\n"));
    assert!(twice.contains("duplicate key"), "{twice}");
}

#[test]
fn errors_and_debug_output_contain_no_secret() {
    for url in [
        "amqps://u:hunter2@h",
        "http://u:hunter2@h",
        "hunter2",
        "amqp://u:hunter2@h:99999",
        "amqp://u:hunter2@",
        "amqp://u:hunter2@h?heartbeat=1",
    ] {
        let text = message(with_environment(&[("RABBITMQ_URL", url)]));
        assert!(
            text.starts_with("setting rabbitmq.url (from RABBITMQ_URL in the environment): "),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
    let section = message(with_environment(&[("AGGREGATOR__RABBITMQ", "hunter2")]));
    assert_eq!(
        section,
        "setting rabbitmq (from AGGREGATOR__RABBITMQ in the environment): has the wrong type, expected a table of settings"
    );
    let list = message(with_file("list", "[database]\npassword = ['hunter2']\n"));
    assert!(!list.contains("hunter2"), "{list}");
    let vendor = "[[vendors]]\nid = 'a'\nsync_interval = '1s'\nurl = 'http://u:hunter2@h/'\n";
    let text = message(with_file("vendor-password", vendor));
    assert!(!text.contains("hunter2"), "{text}");

    let valid = with_environment(&[
        ("DB_PASSWORD", "hunter2"),
        ("RABBITMQ_URL", "amqp://u:hunter2@h"),
    ])
    .unwrap();
    assert_eq!(
        valid.database.password.as_ref().unwrap().reveal(),
        "hunter2"
    );
    assert!(!format!("{valid:?}").contains("hunter2"));
    assert!(!valid.rabbitmq.url.to_string().contains("hunter2"));
}
