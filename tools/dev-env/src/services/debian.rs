//! Installs servers and tools from Debian packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use progress::Progress;
use workspace::process;

use super::Service;
use super::system_user::is_root;

/// Program that Debian calls to decide whether a package may start its server.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const CLUSTERS: &str = "/etc/postgresql";

/// Returns whether packages can be installed.
#[must_use]
pub fn can_install() -> bool {
    is_root() && Path::new("/etc/debian_version").is_file() && process::find("apt-get").is_some()
}

/// Installs a server without starting it, so that only servers started and recorded by this program run.
pub(super) fn install(service: Service) -> Result<()> {
    let package = match service {
        Service::Postgres => "postgresql",
        Service::RabbitMq => "rabbitmq-server",
    };
    let progress = Progress::spinner(format!("installing the package {package}"));
    let had_clusters = has_clusters();
    let _no_start = NoStart::begin()?;
    process::capture(apt_get().arg("update"))?;
    process::capture(apt_get().args(["install", "-y", "--no-install-recommends", package]))?;
    if service == Service::Postgres && !had_clusters {
        drop_new_clusters()?;
    }
    progress.finish(&format!("installed the package {package}"));
    Ok(())
}

/// Installs packages with servers that only tests and measurements start.
pub fn install_test_servers(packages: &[&str]) -> Result<()> {
    let names = packages.join(", ");
    let progress = Progress::spinner(format!("installing the packages {names}"));
    let _no_start = NoStart::begin()?;
    process::capture(apt_get().arg("update"))?;
    let mut install = apt_get();
    install.args(["install", "-y", "--no-install-recommends"]);
    process::capture(install.args(packages))?;
    progress.finish(&format!("installed the packages {names}"));
    Ok(())
}

/// Installs a program that is not a server.
pub fn install_tool(package: &str) -> Result<()> {
    let progress = Progress::spinner(format!("installing the package {package}"));
    process::capture(apt_get().arg("update"))?;
    process::capture(apt_get().args(["install", "-y", "--no-install-recommends", package]))?;
    progress.finish(&format!("installed the package {package}"));
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn has_clusters() -> bool {
    std::fs::read_dir(CLUSTERS).is_ok_and(|mut versions| versions.next().is_some())
}

/// Drops the empty cluster that the package creates, which would use our port after the next boot.
fn drop_new_clusters() -> Result<()> {
    let listed = process::capture(Command::new("pg_lsclusters").arg("--no-header"))?;
    for line in listed.lines() {
        let mut columns = line.split_whitespace();
        if let (Some(version), Some(name)) = (columns.next(), columns.next()) {
            process::capture(Command::new("pg_dropcluster").args([version, name]))?;
        }
    }
    Ok(())
}

/// Prevents packages from starting their servers until it is dropped. An existing policy is not changed.
#[derive(Debug)]
struct NoStart {
    written: bool,
}

impl NoStart {
    fn begin() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let written = !Path::new(POLICY).exists();
        if written {
            let write = || {
                std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
                std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))
            };
            write().with_context(|| format!("cannot write {POLICY}"))?;
        }
        Ok(Self { written })
    }
}

impl Drop for NoStart {
    fn drop(&mut self) {
        if self.written
            && let Err(error) = std::fs::remove_file(POLICY)
        {
            eprintln!(
                "cannot remove {POLICY}, which prevents packages from starting their servers: {error}"
            );
        }
    }
}
