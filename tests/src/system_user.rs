//! The system users that servers run as when the tests run as root: PostgreSQL and pgbouncer refuse to run as root.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Uid and gid of the user that a server runs as; `None` (the current user) unless the tests run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemUser(Option<(u32, u32)>);

impl SystemUser {
    /// Returns the first of these users that exists.
    pub(crate) fn find(names: &[&str]) -> Self {
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if !is_root {
            return Self(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let id_of = |name: &&str| {
            passwd.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let matches = fields.first() == Some(name);
                matches.then(|| (fields[2].parse().unwrap(), fields[3].parse().unwrap()))
            })
        };
        let found = names.iter().find_map(id_of);
        assert!(
            found.is_some(),
            "servers cannot run as root, and none of the users {names:?} exists: run `cargo xtask services`"
        );
        Self(found)
    }

    /// Configures a command to run as this user.
    pub(crate) fn run(self, command: &mut Command) {
        // The user may have no access to the current directory.
        command.current_dir("/").env("LC_ALL", "C");
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid).env_remove("HOME");
        }
    }

    /// Creates a temporary directory that the user owns. It is in `/tmp`, because the user may have no access to the project
    /// or to `TMPDIR`.
    pub(crate) fn temp_dir(self) -> TempDir {
        let dir = tempfile::Builder::new()
            .prefix("order-aggregator-")
            .tempdir_in("/tmp")
            .unwrap();
        self.own(dir.path());
        dir
    }

    /// Changes the owner of a file or directory to the user.
    pub(crate) fn own(self, path: &Path) {
        if let Some((uid, gid)) = self.0 {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

/// Runs a command, which must succeed. Returns its standard output.
pub(crate) fn capture(command: &mut Command) -> String {
    let name = command.get_program().to_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", name.display()));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{} failed: {printed}{}",
        name.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}
