//! Which contract was kept by which adapter, one small file each, from which `cargo xtask test` makes a table.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a suite's records lie: below the folder that cargo gives to integration tests, which all of them share.
fn folder(target_tmpdir: &str, suite: &str) -> PathBuf {
    Path::new(target_tmpdir).join("contracts").join(suite)
}

/// Notes that the adapter of `package` kept a contract, `module.name`. `numbers` says how much was tried, as lines of a
/// name and a number; most contracts have none.
pub fn record(target_tmpdir: &str, suite: &str, package: &str, contract: &str, numbers: &str) {
    let folder = folder(target_tmpdir, suite).join(package);
    fs::create_dir_all(&folder).expect("the folder for records can be made");
    fs::write(folder.join(contract), numbers).expect("a record can be written");
}

/// Notes which contracts a suite has.
pub fn record_list(target_tmpdir: &str, suite: &str, contracts: &[String]) {
    let folder = folder(target_tmpdir, suite);
    fs::create_dir_all(&folder).expect("the folder for records can be made");
    fs::write(folder.join("list"), contracts.join("\n")).expect("a record can be written");
}
