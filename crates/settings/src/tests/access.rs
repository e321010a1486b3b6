//! Settings of access to the API: valid values.

use std::time::Duration;

use api_keys::{Grant, KeyHash, Role};

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
    let settings = with_file(&list).unwrap();
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
    assert_eq!(
        settings.api_keys[0].grant,
        Grant::Roles(vec![Role::Customer])
    );
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
fn hosts_are_read_from_files_and_variables() {
    let shown = |settings: crate::Settings| -> Vec<String> {
        let hosts = settings.api.allowed_hosts.iter();
        hosts.map(ToString::to_string).collect()
    };
    let expected = ["shop.example", "10.1.2.3", "[fd00::1]"];
    let variable = "shop.example, 10.1.2.3,[fd00:0::1]";
    let settings = with_environment(&[("AGGREGATOR__API__ALLOWED_HOSTS", variable)]).unwrap();
    assert_eq!(shown(settings), expected);
    let list = "[api]\nallowed_hosts = ['SHOP.example', '10.1.2.3', '[fd00::1]']\n";
    assert_eq!(shown(with_file(list).unwrap()), expected);
}
