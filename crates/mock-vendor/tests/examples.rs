//! The example script, read by feeds with the settings in its comments.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use mock_vendor::script::Script;
use settings::Settings;

const EXAMPLE: &str = include_str!("../../../config/examples/mock-vendors.toml");

/// The variables of secrets, which the head of the example names.
const VARIABLES: [&str; 6] = [
    "GLOBEX_PASSWORD",
    "STARK_SECRET",
    "WAYNE_PASSWORD",
    "TYRELL_PASSWORD",
    "OSCORP_KEY",
    "APERTURE_SECRET",
];

/// The example with free ports and this directory.
fn example(directory: &Path) -> String {
    let mut text = EXAMPLE.replace("/tmp/mock-vendors", directory.to_str().unwrap());
    // All listeners are open at once, so that no port is found twice.
    let mut listeners = Vec::new();
    for port in (5101..=5112).chain([3000]) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = listener.local_addr().unwrap().to_string();
        text = text.replace(&format!("127.0.0.1:{port}"), &free);
        listeners.push(listener);
    }
    text
}

/// The settings of each vendor.
fn settings_of(text: &str) -> Vec<String> {
    let blocks = text.split("# Settings:\n").skip(1);
    let lines = |block: &str| {
        let lines = block.lines().map_while(|line| line.strip_prefix("# "));
        lines.collect::<Vec<_>>().join("\n")
    };
    blocks.map(lines).collect()
}

#[test]
fn script_of_the_documentation_is_valid() {
    let page = include_str!("../../../docs/use/mock-vendors.md");
    let scripts: Vec<&str> = page.split("```toml\n").skip(1).collect();
    assert_eq!(scripts.len(), 1);
    let (script, _) = scripts[0].split_once("```").unwrap();
    Script::parse(script).unwrap();
}

#[test]
fn each_example_has_settings_of_at_most_fifteen_lines() {
    let settings = settings_of(EXAMPLE);
    assert_eq!(settings.len(), 12);
    // Every source and every format has an example.
    for name in [
        "http",
        "file",
        "sftp",
        "ftps",
        "bucket",
        "push",
        "json",
        "ndjson",
        "csv",
        "xml",
        "xlsx",
        "x12_846",
        "edifact_invrpt",
    ] {
        let line = format!("type = \"{name}\"");
        let has_line = |settings: &String| settings.lines().any(|found| found == line);
        assert!(settings.iter().any(has_line), "{name}");
    }
    for settings in settings {
        let lines = settings.lines().count();
        assert!((5..=15).contains(&lines), "{lines} lines:\n{settings}");
        assert!(settings.starts_with("[[vendors]]\nid = "), "{settings}");
    }
}

#[tokio::test]
async fn feeds_with_the_settings_read_the_examples() {
    let directory = tempfile::tempdir().unwrap();
    let text = example(directory.path());
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let in_file = format!("_file = {secret:?}");
    let mut text = text;
    for variable in VARIABLES {
        text = text.replace(&format!("_env = {variable:?}"), &in_file);
    }
    let settings = settings_of(&text);
    let file = directory.path().join("settings.toml");
    fs::write(&file, settings.join("\n")).unwrap();
    let loaded = Settings::load_with(Some(&file), &directory.path().join("none")).unwrap();
    assert_eq!(loaded.vendors.len(), 12);

    let vendors = Script::parse(&text).unwrap().start().unwrap();
    assert_eq!(vendors.len(), 12);
    // The files of umbrella, stark, wayne and tyrell.
    for vendor in [4, 6, 7, 8].map(|index: usize| &vendors[index]) {
        while vendor.requests() == 0 {
            tokio::task::yield_now().await;
        }
    }
    let pushed = wiring::push_feeds(&loaded.vendors).unwrap();
    let pushed = pushed.iter().map(|push| push.feed.vendor_id().as_str());
    assert_eq!(pushed.collect::<Vec<_>>(), ["initech"]);
    let mut found = Vec::new();
    let feeds = wiring::configured_feeds(&loaded.vendors).unwrap();
    for configured in &feeds {
        let feed = &configured.feed;
        let report = feed.fetch().await.unwrap().report;
        let units: u64 = report.quantities().values().copied().map(u64::from).sum();
        let has_as_of = report.as_of().is_some();
        found.push(format!("{} {units} {has_as_of}", feed.vendor_id()));
    }
    // A generated catalogue has the number of its vendor as the seed.
    let generated = |number: u64, products: u64| -> i64 {
        let catalogue = mock_vendor::catalogue(number, products);
        catalogue.map(|(_, units)| units).sum()
    };
    assert_eq!(
        found,
        [
            "acme 150 true",
            "globex 19 false",
            "hooli 1253 false",
            "umbrella 13 false",
            "soylent 20 true",
            "stark 20 false",
            "wayne 17 false",
            "tyrell 8 false",
            &format!("oscorp {} false", generated(10, 250)),
            &format!("aperture {} false", generated(11, 180)),
            "cyberdyne 1253 false",
        ]
    );
    for vendor in vendors {
        vendor.stop().await;
    }
}
