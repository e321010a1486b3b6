//! The system users that servers run as if this program runs as root: both servers refuse to run as root.
//!
//! `/etc/passwd` is read here: the users come from the servers' packages, so no other source of users is needed.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SystemUser {
    uid: u32,
    gid: u32,
    /// Directory for the server's data; the user may have no access to others.
    pub(super) home: PathBuf,
}

/// Returns whether this program runs as root.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl SystemUser {
    /// Finds a user by name.
    pub(super) fn find(name: &str) -> Result<Option<Self>> {
        let passwd = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        Ok(Self::find_in(&passwd, name))
    }

    fn find_in(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            match fields[..] {
                [user, _, uid, gid, _, home, _] if user == name => Some(Self {
                    uid: uid.parse().ok()?,
                    gid: gid.parse().ok()?,
                    home: home.into(),
                }),
                _ => None,
            }
        })
    }

    /// Configures a command to run as this user.
    pub(super) fn apply_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.uid(self.uid).gid(self.gid).env("HOME", &self.home)
    }
}

/// Creates a directory and its missing parents, owned by the given user (or the current user), without access for others.
pub(super) fn create_private(dir: &Path, owner: Option<&SystemUser>) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_private(parent, owner)?;
    }
    let create = || {
        std::fs::DirBuilder::new().mode(0o700).create(dir)?;
        match owner {
            Some(user) => std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid)),
            None => Ok(()),
        }
    };
    create().with_context(|| format!("cannot create {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_found_by_its_full_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:9:9::/nowhere:/bin/sh\n\
                      postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        let user = SystemUser::find_in(passwd, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (101, 104));
        assert_eq!(user.home, Path::new("/var/lib/postgresql"));
        assert_eq!(SystemUser::find_in(passwd, "rabbitmq"), None);
    }
}
