//! Vendors that push their reports, and the keys with which they do so.

use api_keys::KeyHash;

use super::refused::of_files;
use super::{with_environment, with_file};
use crate::*;

/// A vendor that pushes its reports.
fn vendor(id: &str, settings: &str) -> String {
    format!("[[vendors]]\nid = '{id}'\nsource = {{ type = 'push' }}\n{settings}\n")
}

fn key(name: &str, key: &str, rest: &str) -> String {
    let hash = KeyHash::of(key.as_bytes());
    format!("[[api_keys]]\nname = '{name}'\nhash = '{hash}'\n{rest}\n")
}

const OF_ACME: &str = "roles = ['vendor']\nvendor = 'acme'";

#[test]
fn vendor_that_pushes_has_no_interval_and_a_url_of_its_own() {
    for (id, url) in [
        ("acme", "push:acme"),
        ("a b/ü#?%", "push:a%20b%2F%C3%BC%23%3F%25"),
        (".", "push:."),
    ] {
        let settings = "timeout = '7s'\nlag = '1m'\nmax_age = '1h'\nkind = 'delta'\nmax_bytes = 5";
        let vendors = with_file(&vendor(id, settings)).unwrap().vendors;
        let [vendor] = &vendors[..] else {
            panic!("{vendors:?}");
        };
        assert_eq!(vendor.source.url().as_str(), url);
        assert_eq!(vendor.sync_interval, None);
        assert_eq!(vendor.decode.max_bytes, 5);
    }
    let two = vendor("a", "") + &vendor("b", "");
    assert_eq!(with_file(&two).unwrap().vendors.len(), 2);
}

#[test]
fn key_of_a_vendor_is_bound_to_it() {
    let settings =
        vendor("acme", "") + &key("acme-1", "old", OF_ACME) + &key("acme-1", "new", OF_ACME);
    let keys = with_file(&settings).unwrap().api_keys;
    for key in &keys {
        assert_eq!(key.vendor().map(VendorId::as_str), Some("acme"));
    }
    assert_eq!(keys.len(), 2);
}

#[test]
fn key_of_a_vendor_is_read_from_a_variable() {
    let file = super::file(&vendor("acme", ""));
    let keys = format!("acme-push:vendor=acme:{}", KeyHash::of(b"a"));
    let variables = super::variables(&[("AGGREGATOR__API_KEYS", &keys)]);
    let none = environment::Variables::new();
    let settings = Settings::load_from(Some(file.path()), &none, &variables).unwrap();
    let [key] = &settings.api_keys[..] else {
        panic!("{settings:?}");
    };
    let vendor_id = key.vendor().map(VendorId::as_str);
    assert_eq!((key.name.as_str(), vendor_id), ("acme-push", Some("acme")));

    for entry in [
        "vendor=",
        "vendor",
        "vendor=acme+customer",
        "vendor=vendor-a",
    ] {
        let keys = format!("acme-push:{entry}:{}", KeyHash::of(b"a"));
        let error = with_environment(&[("AGGREGATOR__API_KEYS", &keys)]).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("setting api_keys"), "{error}");
    }
}

#[test]
fn invalid_settings_of_push_vendors_are_refused() {
    let acme = || vendor("acme", "");
    let with_key = |rest: &str| acme() + &key("shop", "k", rest);
    let errors = of_files([
        vendor("acme", "sync_interval = '5m'"),
        vendor("acme", "retries = 0"),
        vendor("acme", "url = 'http://a/'"),
        "[[vendors]]\nid = 'a'\nsource = { type = 'push', url = 'push:a' }\n".to_owned(),
        "[[vendors]]\nid = 'a'\nsource = { type = 'pull' }\n".to_owned(),
        "[[vendors]]\nid = 'a'\nurl = 'http://a/'\n".to_owned(),
        acme() + &acme(),
        with_key("roles = ['vendor']"),
        with_key("vendor = 'acme'\nroles = ['customer']"),
        with_key("vendor = 'acme'\nroles = []"),
        with_key("vendor = 'acme'\nroles = ['vendor', 'customer']"),
        with_key("vendor = ' '\nroles = ['vendor']"),
        with_key("vendor = 'other'\nroles = ['vendor']"),
        with_key("vendor = 'seed'\nroles = ['vendor']"),
        acme() + &key("shop", "a", OF_ACME) + &key("shop", "b", "roles = ['customer']"),
    ]);
    insta::assert_snapshot!(errors);
}
