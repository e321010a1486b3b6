//! Vendors that write files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mock_vendor::script::{Script, ScriptedVendor};

/// The names of the files in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    entries.map(name).collect()
}

fn file_vendor(directory: &Path, fault: &str) -> ScriptedVendor {
    let directory = directory.display();
    let text = format!(
        "[[vendors]]\ntransport = 'file'\ndirectory = '{directory}/new'\nfile_name = 'stock_%Y.csv'\n\
         interval_s = 3600\nstock = {{ A = 1 }}\nformat = {{ type = 'csv' }}\n{fault}"
    );
    Script::parse(&text).unwrap().start().unwrap().remove(0)
}

/// Waits for a state of the directory.
async fn until(mut is_reached: impl FnMut() -> bool) {
    let reached = async {
        while !is_reached() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached)
        .await
        .unwrap();
}

#[tokio::test]
async fn files_are_written_under_their_pattern() {
    const WHOLE: &str = "sku,title,quantity\r\nA,Product A,1\r\n";
    for (fault, content) in [
        ("", WHOLE),
        ("kind = 'empty'", ""),
        ("kind = 'truncate'", &WHOLE[..WHOLE.len() / 2]),
        ("kind = 'part', ms = 200", WHOLE),
        ("kind = 'growing', ms = 200", WHOLE),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let new = directory.path().join("new");
        let step = match fault {
            "" => String::new(),
            fault => format!("[[vendors.steps]]\nfault = {{ {fault} }}\n"),
        };
        let vendor = file_vendor(directory.path(), &step);
        if fault.contains("ms") {
            // Not all of it is there at once.
            until(|| !names(&new).is_empty()).await;
            let name = names(&new).remove(0);
            let is_part = Path::new(&name).extension() == Some("part".as_ref());
            assert_eq!(is_part, fault.contains("part"), "{fault}");
            let size = fs::metadata(new.join(&name)).map_or(0, |file| file.len());
            assert!(size < WHOLE.len() as u64, "{fault}");
        }
        until(|| vendor.requests() == 1).await;
        let found = names(&new);
        assert_eq!(found.len(), 1, "{fault}: {found:?}");
        assert!(found[0].starts_with("stock_20"), "{fault}: {found:?}");
        let path = new.join(&found[0]);
        assert_eq!(path.extension(), Some("csv".as_ref()), "{fault}: {found:?}");
        assert_eq!(fs::read_to_string(path).unwrap(), content, "{fault}");
    }
}

#[tokio::test]
async fn vendor_that_cannot_write_fails_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let mut vendor = file_vendor(directory.path(), "");
    // The task has not run yet.
    fs::remove_dir(directory.path().join("new")).unwrap();
    let failure = vendor.failed().await;
    assert_eq!(failure.to_string(), "cannot write a file for vendor 1");
}
