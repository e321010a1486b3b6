//! The users that servers run as when the tests run as root, which PostgreSQL and pgbouncer refuse to run as.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Whom a server runs as; nobody in particular unless the tests run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemUser(Option<(u32, u32)>);

impl SystemUser {
    /// The first of these users that there is.
    pub(crate) fn find(names: &[&str]) -> Self {
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if !is_root {
            return Self(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let id_of = |name: &&str| {
            passwd.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let is_it = fields.first() == Some(name);
                is_it.then(|| (fields[2].parse().unwrap(), fields[3].parse().unwrap()))
            })
        };
        let found = names.iter().find_map(id_of);
        assert!(
            found.is_some(),
            "a server does not run as root, and there is none of the users {names:?}: run `cargo xtask services`"
        );
        Self(found)
    }

    /// Makes a command run as this user.
    pub(crate) fn run(self, command: &mut Command) {
        // The folder that the tests run in may be closed to the user.
        command.current_dir("/").env("LC_ALL", "C");
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid).env_remove("HOME");
        }
    }

    /// A temporary folder that belongs to the user. Not below the project or the tests' own folder for such: those may be
    /// closed to the user.
    pub(crate) fn folder(self) -> TempDir {
        let folder = tempfile::Builder::new()
            .prefix("order-aggregator-")
            .tempdir_in("/tmp")
            .unwrap();
        self.own(folder.path());
        folder
    }

    /// Gives a file or folder to the user.
    pub(crate) fn own(self, path: &Path) {
        if let Some((uid, gid)) = self.0 {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

/// Runs a command, which must end well. Returns what it printed.
pub(crate) fn capture(command: &mut Command) -> String {
    let name = command.get_program().to_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", name.display()));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{} failed: {printed}{}",
        name.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}
