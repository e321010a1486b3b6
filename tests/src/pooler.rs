//! A dedicated pgbouncer in front of a PostgreSQL server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use storage_postgres::PgOptions;
use tempfile::TempDir;

use crate::deployment::free_port;
use crate::system_user::{SystemUser, capture};
use crate::waiting::eventually;

const PACKAGE: &str = "pgbouncer";

/// A running pgbouncer. It is killed on drop.
pub struct Pooler {
    child: Child,
    dir: TempDir,
    port: u16,
    server: PgOptions,
}

impl Pooler {
    /// Starts pgbouncer in front of a server with this `pool_mode`. Installs pgbouncer first if it is missing and the test runs
    /// as root on Debian.
    pub async fn start(server: &PgOptions, pool_mode: &str) -> Self {
        let program = tokio::task::spawn_blocking(program).await.unwrap();
        let user = SystemUser::find(&["postgres"]);
        let dir = user.temp_dir();
        let port = free_port();
        let settings = dir.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port={} user={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {pool_mode}\nmax_client_conn = 200\ndefault_pool_size = 60\n",
            server.host, server.port, server.user
        );
        fs::write(&settings, text).unwrap();
        user.own(&settings);
        let log = fs::File::create(dir.path().join("pgbouncer.log")).unwrap();
        let mut command = Command::new(program);
        user.run(&mut command);
        let child = command
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let pooler = Self {
            child,
            dir,
            port,
            server: server.clone(),
        };
        eventually("pgbouncer listens", async || {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            connected.ok().map(drop)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        pooler
    }

    /// Returns the connection options of the pooler.
    #[must_use]
    pub fn options(&self) -> PgOptions {
        PgOptions {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            ..self.server.clone()
        }
    }

    /// Returns the log of pgbouncer.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("pgbouncer.log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the path of pgbouncer, and installs it if possible.
fn program() -> PathBuf {
    if let Some(found) = find() {
        return found;
    }
    let can_install = Path::new("/etc/debian_version").is_file()
        && fs::metadata("/proc/self")
            .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    assert!(
        can_install,
        "pgbouncer not found: install the package {PACKAGE}"
    );
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.arg("-q").args(arguments);
        // Runlevel 1 prevents the package from starting its service.
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1");
        capture(&mut command);
    };
    apt_get(&["update"]);
    apt_get(&["install", "-y", "--no-install-recommends", PACKAGE]);
    find().expect("the package pgbouncer installs the program")
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|dir| dir.join("pgbouncer"))
        .find(|file| file.is_file())
}
