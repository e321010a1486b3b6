//! Settings of access to the API: valid and invalid values.

use std::time::Duration;

use api_keys::{KeyHash, Role};

use super::{with_environment, with_file};

fn entry(name: &str, key: &str, roles: &str) -> String {
    let hash = KeyHash::of(key.as_bytes());
    format!("[[api_keys]]\nname = '{name}'\nroles = {roles}\nhash = '{hash}'\n")
}

#[test]
fn access_settings_are_unset_by_default() {
    let settings = with_environment(&[]).unwrap();
    assert!(settings.api_keys.is_empty());
    assert!(settings.api.cors_origins.is_empty());
    assert!(settings.api.allowed_hosts.is_empty());
    assert!(settings.api.tls.is_none());
    assert_eq!(settings.api.rate_limit.requests, 0);
    assert_eq!(settings.api.rate_limit.per, Duration::from_secs(1));
    assert_eq!(settings.api.body_timeout, Duration::from_secs(10));
}

#[test]
fn two_keys_may_have_the_same_name() {
    let list = entry("shop", "old", "['customer']")
        + &entry("shop", "new", "['customer', 'customer']")
        + &entry("desk", "third", "['operator', 'customer']");
    let settings = with_file("keys", &list).unwrap();
    let [old, new, desk] = &settings.api_keys[..] else {
        panic!("{settings:?}");
    };
    assert_eq!((old.name.as_str(), new.name.as_str()), ("shop", "shop"));
    assert!(old.hash.equals(&KeyHash::of(b"old")) && new.hash.equals(&KeyHash::of(b"new")));
    assert!(!new.has(Role::Operator) && desk.has(Role::Operator));
}

#[test]
fn keys_and_origins_are_read_from_variables() {
    let (shop, desk) = (KeyHash::of(b"a"), KeyHash::of(b"b"));
    let keys = format!("shop:customer:{shop}, desk:customer+operator:{desk}");
    let settings = with_environment(&[
        ("AGGREGATOR__API_KEYS", &keys),
        (
            "AGGREGATOR__API__CORS_ORIGINS",
            "https://a.example, http://localhost:8080",
        ),
        ("AGGREGATOR__API__RATE_LIMIT__REQUESTS", "100"),
        ("AGGREGATOR__API__TLS__CERTIFICATE", "a.pem"),
        ("AGGREGATOR__API__TLS__KEY", "b.pem"),
    ])
    .unwrap();
    assert_eq!(settings.api_keys[0].roles, [Role::Customer]);
    assert_eq!(settings.api_keys[1].name, "desk");
    assert!(settings.api_keys[1].has(Role::Operator));
    assert_eq!(
        settings.api.cors_origins,
        ["https://a.example", "http://localhost:8080"]
    );
    assert_eq!(settings.api.rate_limit.requests, 100);
    let tls = settings.api.tls.unwrap();
    assert_eq!(
        (tls.certificate.to_str(), tls.key.to_str()),
        (Some("a.pem"), Some("b.pem"))
    );
}

#[test]
fn hosts_are_read_from_files_and_variables_and_the_error_names_the_invalid_one() {
    let shown = |settings: crate::Settings| -> Vec<String> {
        let hosts = settings.api.allowed_hosts.iter();
        hosts.map(ToString::to_string).collect()
    };
    let expected = ["shop.example", "10.1.2.3", "[fd00::1]"];
    let variable = "shop.example, 10.1.2.3,[fd00:0::1]";
    let settings = with_environment(&[("AGGREGATOR__API__ALLOWED_HOSTS", variable)]).unwrap();
    assert_eq!(shown(settings), expected);
    let list = "[api]\nallowed_hosts = ['SHOP.example', '10.1.2.3', '[fd00::1]']\n";
    assert_eq!(shown(with_file("hosts", list).unwrap()), expected);
    for invalid in [
        "shop.example:80",
        "http://shop.example",
        "fd00::1",
        "a b",
        "*",
    ] {
        let file = format!("[api]\nallowed_hosts = ['good.example', '{invalid}']\n");
        let text = with_file("invalid-hosts", &file).unwrap_err().to_string();
        assert!(
            text.starts_with("setting api.allowed_hosts[1] (from "),
            "{text}"
        );
        assert!(text.contains("expected a host without a port"), "{text}");
    }
}

#[test]
fn invalid_keys_are_rejected_without_quoting_a_key() {
    let with_hash = |hash: &str| {
        format!("[[api_keys]]\nname = 'shop'\nroles = ['customer']\nhash = '{hash}'\n")
    };
    let cases = [
        (
            "api_keys[0].hash",
            "is not sha256:",
            with_hash("oa_hunter2"),
        ),
        (
            "api_keys[0].hash",
            "is not sha256:",
            with_hash("sha256:hunter2"),
        ),
        (
            "api_keys[0].name",
            r#"is "a b", expected a name"#,
            entry("a b", "k", "['customer']"),
        ),
        ("api_keys[0].roles", "is empty", entry("shop", "k", "[]")),
        (
            "api_keys[0].roles[1]",
            r#"is "admin", expected customer or operator"#,
            entry("shop", "k", "['customer', 'admin']"),
        ),
        (
            "api_keys[0].roles",
            "has the wrong type",
            entry("shop", "k", "'customer'"),
        ),
        (
            "api_keys[0].key",
            "unknown field",
            entry("shop", "k", "['customer']") + "key = 'hunter2'",
        ),
        (
            "api_keys[0]",
            "hash is missing",
            "[[api_keys]]\nname = 'shop'\nroles = ['customer']\n".to_owned(),
        ),
        (
            "api_keys[1].hash",
            "also the hash of another key",
            entry("shop", "k", "['customer']") + &entry("desk", "k", "['operator']"),
        ),
        (
            "api_keys[1].roles",
            r#"the other key named "shop""#,
            entry("shop", "k", "['customer']") + &entry("shop", "l", "['operator']"),
        ),
    ];
    for (index, (name, problem, content)) in cases.into_iter().enumerate() {
        let error = with_file(&format!("key-{index}"), &content).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("setting {name} (from ")),
            "{content}: {text}"
        );
        assert!(text.contains(problem), "{content}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let hash = KeyHash::of(b"k");
    for invalid in [
        "oa_hunter2".to_owned(),
        "shop:customer:oa_hunter2".to_owned(),
        format!("shop:admin:{hash}"),
        format!("shop:oa_hunter2:{hash}"),
        format!("oa hunter2:customer:{hash}"),
        format!("shop::{hash}"),
        format!("shop:customer:{hash},"),
    ] {
        let error = with_environment(&[("AGGREGATOR__API_KEYS", &invalid)]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("setting api_keys (from AGGREGATOR__API_KEYS in the environment): "),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn invalid_origins_limits_and_tls_are_rejected() {
    for invalid in [
        "*",
        "null",
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "https://u:p@shop.example",
        "ftp://shop.example",
        "",
    ] {
        let file = format!("[api]\ncors_origins = ['https://good.example', '{invalid}']\n");
        let text = with_file("origin", &file).unwrap_err().to_string();
        assert!(
            text.starts_with("setting api.cors_origins[1] (from "),
            "{text}"
        );
    }
    let cases = [
        (
            "api.rate_limit.requests",
            "is -1",
            "[api.rate_limit]\nrequests = -1",
        ),
        (
            "api.rate_limit.per",
            "from 1s to 24h",
            "[api.rate_limit]\nper = '999ms'",
        ),
        (
            "api.rate_limit.burst",
            "unknown field",
            "[api.rate_limit]\nburst = 5",
        ),
        (
            "api.tls",
            "key is missing",
            "[api.tls]\ncertificate = 'a.pem'",
        ),
        (
            "api.tls.key",
            "is \"\"",
            "[api.tls]\ncertificate = 'a.pem'\nkey = ''",
        ),
        (
            "api.body_timeout",
            "from 100ms to 10m",
            "[api]\nbody_timeout = '0s'",
        ),
    ];
    for (index, (name, problem, content)) in cases.into_iter().enumerate() {
        let error = with_file(&format!("access-{index}"), content).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("setting {name} (from ")),
            "{content}: {text}"
        );
        assert!(text.contains(problem), "{content}: {text}");
    }
}
