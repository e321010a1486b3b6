//! Runs each fuzz target on its seeds, and on changes of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// Reads bytes, and returns the number of products or segments.
type Read = fn(&[u8]) -> usize;

/// Declares a test for each target, with the number of changed seeds that it reads.
macro_rules! targets {
    ($($target:ident: $cases:literal,)+) => {
        const TARGETS: &[&str] = &[$(stringify!($target)),+];

        $(#[test]
        fn $target() {
            read_seeds(stringify!($target), $cases, |bytes| {
                let _ = super::$target(bytes);
            });
        })+
    };
}

targets! {
    charset: 256,
    csv: 512,
    edi_tokenizer: 512,
    edifact: 512,
    gzip: 256,
    json: 256,
    limits: 16,
    nesting: 128,
    x12: 512,
    xlsx: 128,
    xml: 512,
    zip: 256,
}

fn fuzz_directory(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", name].iter().collect()
}

fn names(directory: &str) -> BTreeSet<String> {
    fs::read_dir(fuzz_directory(directory))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .display()
                .to_string()
        })
        .collect()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = format!("seeds/{target}");
    let mut paths: Vec<PathBuf> = fs::read_dir(fuzz_directory(&directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn read_seeds(target: &str, cases: u32, read: impl Fn(&[u8])) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{target} has no seed");
    for seed in &seeds {
        read(seed);
    }
    let edits = prop::collection::vec((any::<Index>(), any::<u8>()), 1..8);
    let changed = (any::<Index>(), edits, any::<Option<Index>>());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&changed, |(seed, edits, end)| {
        let mut bytes = seed.get(&seeds).clone();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        read(&bytes);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn each_fuzz_target_has_seeds_and_a_test() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
}

#[test]
fn each_seed_of_a_format_is_a_report() {
    let formats: [(&str, Read); 7] = [
        ("csv", super::csv),
        ("edi_tokenizer", super::edi_tokenizer),
        ("edifact", super::edifact),
        ("json", super::json),
        ("x12", super::x12),
        ("xlsx", super::xlsx),
        ("xml", super::xml),
    ];
    for (format, read) in formats {
        for seed in seeds(format) {
            let shown = String::from_utf8_lossy(&seed);
            assert!(read(&seed) > 0, "{format}: {shown}");
        }
    }
}
