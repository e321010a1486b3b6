//! Files of a mock vendor that are not finished.

use std::fs;
use std::path::Path;
use std::time::Duration;

use domain::ports::VendorFeed;
use mock_vendor::script::Script;
use tempfile::TempDir;
use vendor_feeds::Source;

use super::{feed_of, options_of};

/// Reads a file that a vendor has begun to write.
async fn read_file(directory: &Path, fault: &str) -> String {
    let text = format!(
        "[[vendors]]\ntransport = 'file'\ndirectory = '{}'\nfile_name = 'stock.json'\nstock = {{ 'A-1' = 5, 'B-2' = 7 }}\n\
         [[vendors.steps]]\nfault = {{ {fault} }}",
        directory.display()
    );
    let vendors = Script::parse(&text).unwrap().start().unwrap();
    let has_begun = || {
        let names = fs::read_dir(directory).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name());
        vendors[0].requests() > 0 || names.any(|name| name.to_string_lossy().starts_with("stock"))
    };
    while !has_begun() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let path = directory.join("stock*");
    let fetched = feed_of(options_of(Source::File { path })).fetch().await;
    match fetched {
        Ok(fetched) => format!("{} products", fetched.report.quantities().len()),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn files_that_are_not_finished_are_not_read() {
    let directory = TempDir::new().unwrap();
    let shown = directory.path().display().to_string();
    assert_eq!(
        read_file(directory.path(), "kind = 'part', ms = 60000").await,
        format!("no file matches {shown}/stock*")
    );
    for (fault, problem) in [
        (
            "kind = 'growing', ms = 3000",
            "the report is not ready: the file stock.json still grows",
        ),
        (
            "kind = 'empty'",
            "the report is not ready: the file stock.json is empty",
        ),
        (
            "kind = 'truncate'",
            "the report is malformed: stock.json: invalid JSON: EOF while parsing a list at line 1 column 55",
        ),
    ] {
        let directory = TempDir::new().unwrap();
        assert_eq!(read_file(directory.path(), fault).await, problem, "{fault}");
    }
}
