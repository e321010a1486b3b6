//! The system users that servers run as when this program runs as root, which both servers refuse to run as.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SystemUser {
    uid: u32,
    gid: u32,
    /// Where its data may lie: other folders may not be open to it.
    pub(super) home: PathBuf,
}

/// Whether this program runs as root.
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

    /// Makes a command run as this user.
    pub(super) fn applied_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.uid(self.uid).gid(self.gid).env("HOME", &self.home)
    }
}

/// Creates a folder, and what is missing above it, that the given user (or the one that this program runs as) owns and
/// nobody else can enter.
pub(super) fn create_private(folder: &Path, owner: Option<&SystemUser>) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_private(parent, owner)?;
    }
    let create = || {
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
        match owner {
            Some(user) => std::os::unix::fs::chown(folder, Some(user.uid), Some(user.gid)),
            None => Ok(()),
        }
    };
    create().with_context(|| format!("cannot create {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_user_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:9:9::/nowhere:/bin/sh\n\
                      postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        let user = SystemUser::find_in(passwd, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (101, 104));
        assert_eq!(user.home, Path::new("/var/lib/postgresql"));
        assert_eq!(SystemUser::find_in(passwd, "rabbitmq"), None);
    }
}
