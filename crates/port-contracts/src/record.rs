//! Records of passed contracts, one small file per contract and adapter, from which `cargo xtask test` prints a table.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the directory of a suite's records, below the directory that all integration tests share.
fn folder(target_tmpdir: &str, suite: &str) -> PathBuf {
    Path::new(target_tmpdir).join("contracts").join(suite)
}

/// Records that the adapter in `package` passed a contract, named `module.name`. `numbers` has the amount of work done, one
/// `name number` pair per line; it is empty for most contracts.
pub fn record(target_tmpdir: &str, suite: &str, package: &str, contract: &str, numbers: &str) {
    let folder = folder(target_tmpdir, suite).join(package);
    fs::create_dir_all(&folder).expect("failed to create the directory of records");
    fs::write(folder.join(contract), numbers).expect("failed to write a record");
}

/// Records the names of a suite's contracts.
pub fn record_list(target_tmpdir: &str, suite: &str, contracts: &[String]) {
    let folder = folder(target_tmpdir, suite);
    fs::create_dir_all(&folder).expect("failed to create the directory of records");
    fs::write(folder.join("list"), contracts.join("\n")).expect("failed to write a record");
}
