//! The system users that servers run as when the tests run as root: PostgreSQL, pgbouncer and RabbitMQ refuse to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

/// Uid and gid of the user; `None` (the current user) unless the tests run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemUser(Option<(u32, u32)>);

impl SystemUser {
    /// Finds the user of PostgreSQL and pgbouncer.
    pub(crate) fn find() -> Self {
        Self::named("postgres")
    }

    /// Finds a user by name.
    pub(crate) fn named(name: &str) -> Self {
        if !geteuid().is_root() {
            return Self(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let found = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields[0] == name).then(|| (fields[2].parse().unwrap(), fields[3].parse().unwrap()))
        });
        assert!(
            found.is_some(),
            "servers cannot run as root, and the user {name} does not exist: run `cargo xtask services`"
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
    workspace::process::capture(command).unwrap()
}
