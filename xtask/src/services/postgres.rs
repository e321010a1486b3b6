//! Starting PostgreSQL: a cluster of this project's own, from the programs that are installed.
//!
//! The system's cluster is never touched: it may hold other data, and by default it lets nobody in over TCP without a
//! password. Ours lets every local user in, listens on the loopback address only, and holds nothing but this project's
//! databases.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use settings::DatabaseSettings;

use super::started::{FOLDER, Started};
use super::system_user::{SystemUser, create_private, is_root};
use crate::process;
use crate::progress::Progress;
use crate::workspace;

/// Where Debian keeps one folder for each version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// Enough for the end-to-end tests, each of which runs programs with pools of their own.
const MAX_CONNECTIONS: u32 = 400;

/// Starts a cluster at the port of the settings; nothing if PostgreSQL is not installed.
pub(super) fn start(database: &DatabaseSettings) -> Result<Option<Started>> {
    let Some(programs) = programs() else {
        return Ok(None);
    };
    let user = server_user()?;
    let version = version(&programs)?;
    let folder = match &user {
        // Not below the project: the server's user cannot pass through root's home.
        Some(user) => user.home.join("order-aggregator"),
        None => workspace::root().join(FOLDER),
    };
    let data = folder.join(format!("postgresql-{version}-{}", database.port));
    create_private(&folder, user.as_ref())?;
    let progress = Progress::spinner("starting PostgreSQL");
    if !data.join("PG_VERSION").is_file() {
        let mut initdb = command(&programs, "initdb", user.as_ref());
        initdb
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "-U",
                &database.user,
                "-D",
            ])
            .arg(&data);
        process::capture(&mut initdb)?;
    }
    let mut log = data.clone().into_os_string();
    log.push(".log");
    let mut pg_ctl = command(&programs, "pg_ctl", user.as_ref());
    pg_ctl
        .args(["start", "--silent", "--wait", "--timeout=60", "-D"])
        .arg(&data)
        .arg("-l")
        .arg(&log)
        .arg("-o")
        .arg(server_options(&database.host, database.port));
    process::capture(&mut pg_ctl)
        .with_context(|| format!("its log is {}", Path::new(&log).display()))?;
    progress.finish(&format!(
        "started PostgreSQL {version} on {}",
        data.display()
    ));
    Ok(Some(Started::Cluster { programs, data }))
}

/// Stops a cluster that was started here.
pub(super) fn stop(started: &Started) -> Result<()> {
    let Started::Cluster { programs, data } = started else {
        bail!("{started} is no PostgreSQL cluster");
    };
    let user = server_user()?;
    let running = process::succeeds(
        command(programs, "pg_ctl", user.as_ref())
            .args(["status", "-D"])
            .arg(data),
    );
    if running {
        let mut pg_ctl = command(programs, "pg_ctl", user.as_ref());
        pg_ctl
            .args(["stop", "--mode=fast", "--wait", "-D"])
            .arg(data);
        process::capture(&mut pg_ctl)?;
    }
    Ok(())
}

fn server_options(host: &str, port: u16) -> String {
    let address = host
        .parse::<std::net::IpAddr>()
        .map_or_else(|_| "127.0.0.1".to_owned(), |address| address.to_string());
    // No socket file: its usual folder belongs to the system's cluster, and nobody here uses one.
    format!(
        "-c listen_addresses={address} -c port={port} -c unix_socket_directories= \
         -c max_connections={MAX_CONNECTIONS}"
    )
}

/// Who the server runs as: it refuses to be root.
fn server_user() -> Result<Option<SystemUser>> {
    if !is_root() {
        return Ok(None);
    }
    let user = SystemUser::find("postgres")?
        .context("PostgreSQL does not run as root, and there is no user postgres")?;
    Ok(Some(user))
}

fn command(programs: &Path, name: &str, user: Option<&SystemUser>) -> Command {
    let mut command = Command::new(programs.join(name));
    // The folder this is called from may be closed to the server's user.
    command.current_dir("/").env("LC_ALL", "C");
    if let Some(user) = user {
        user.applied_to(&mut command);
    }
    command
}

/// The folder of the newest installed version that has a server.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN_FOLDER)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    let newest = versions.pop().map(|(_, folder)| folder);
    newest.or_else(|| {
        let initdb = process::find("initdb")?.canonicalize().ok()?;
        initdb.parent().map(Path::to_path_buf)
    })
}

/// The major version: a cluster can be opened by no other.
fn version(programs: &Path) -> Result<u32> {
    let text = process::capture(Command::new(programs.join("postgres")).arg("--version"))?;
    major_version(&text).with_context(|| format!("cannot read a version out of {text:?}"))
}

fn major_version(text: &str) -> Option<u32> {
    text.split_whitespace()
        .find_map(|word| word.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version() {
        assert_eq!(
            major_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_version("postgres (PostgreSQL) 18\n"), Some(18));
        assert_eq!(major_version("postgres"), None);
    }

    #[test]
    fn listens_on_the_loopback_address_of_the_settings() {
        assert!(server_options("localhost", 5).contains("listen_addresses=127.0.0.1 -c port=5 "));
        assert!(server_options("::1", 5).contains("listen_addresses=::1 "));
    }
}
