//! Starts a dedicated PostgreSQL cluster from the installed programs.
//!
//! The system's cluster is never used: it may contain other data, and by default it requires a password over TCP. The
//! dedicated cluster accepts every local user, listens on the loopback address only, and contains only this project's
//! databases.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use progress::Progress;
use settings::DatabaseSettings;
use workspace::process;

use super::started::{SERVICES_DIR, Started};
use super::system_user::{SystemUser, create_private, is_root};

/// Directory in which Debian installs each version of PostgreSQL.
const DEBIAN_DIR: &str = "/usr/lib/postgresql";

/// Maximum number of connections: enough for the end-to-end tests, each of which runs programs with their own pools.
const MAX_CONNECTIONS: u32 = 400;

/// Starts a cluster on the port of the settings. Returns `None` if PostgreSQL is not installed.
pub(super) fn start(database: &DatabaseSettings) -> Result<Option<Started>> {
    let Some(programs) = programs() else {
        return Ok(None);
    };
    let user = server_user()?;
    let version = version(&programs)?;
    let dir = match &user {
        // Not below the project, because the server's user has no access to root's home directory.
        Some(user) => user.home.join("order-aggregator"),
        None => workspace::root().join(SERVICES_DIR),
    };
    let data = dir.join(format!("postgresql-{version}-{}", database.port));
    create_private(&dir, user.as_ref())?;
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
        .with_context(|| format!("see the log {}", Path::new(&log).display()))?;
    progress.finish(&format!(
        "started PostgreSQL {version} on {}",
        data.display()
    ));
    Ok(Some(Started::Cluster { programs, data }))
}

/// Stops a cluster that was started by this program.
pub(super) fn stop(programs: &Path, data: &Path) -> Result<()> {
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
    // No Unix socket: its default directory belongs to the system's cluster, and this project uses TCP.
    format!(
        "-c listen_addresses={address} -c port={port} -c unix_socket_directories= \
         -c max_connections={MAX_CONNECTIONS}"
    )
}

/// Returns the user that the server runs as if this program runs as root; PostgreSQL refuses to run as root.
fn server_user() -> Result<Option<SystemUser>> {
    if !is_root() {
        return Ok(None);
    }
    let user = SystemUser::find("postgres")?
        .context("PostgreSQL cannot run as root, and the user postgres does not exist")?;
    Ok(Some(user))
}

fn command(programs: &Path, name: &str, user: Option<&SystemUser>) -> Command {
    let mut command = Command::new(programs.join(name));
    // The server's user may have no access to the current directory.
    command.current_dir("/").env("LC_ALL", "C");
    if let Some(user) = user {
        user.apply_to(&mut command);
    }
    command
}

/// Returns the `bin` directory of the newest installed PostgreSQL server.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN_DIR)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, dir)| dir.join("initdb").is_file())
        .collect();
    versions.sort();
    let newest = versions.pop().map(|(_, dir)| dir);
    newest.or_else(|| {
        let initdb = process::find("initdb")?.canonicalize().ok()?;
        initdb.parent().map(Path::to_path_buf)
    })
}

/// Returns the major version. Only the same major version can open a cluster.
fn version(programs: &Path) -> Result<u32> {
    let text = process::capture(Command::new(programs.join("postgres")).arg("--version"))?;
    major_version(&text).with_context(|| format!("cannot parse a version from {text:?}"))
}

fn major_version(text: &str) -> Option<u32> {
    text.split_whitespace()
        .find_map(|part| part.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_is_parsed() {
        assert_eq!(
            major_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_version("postgres (PostgreSQL) 18\n"), Some(18));
        assert_eq!(major_version("postgres"), None);
    }

    #[test]
    fn server_listens_on_the_loopback_address_of_the_settings() {
        assert!(server_options("localhost", 5).contains("listen_addresses=127.0.0.1 -c port=5 "));
        assert!(server_options("::1", 5).contains("listen_addresses=::1 "));
    }
}
