//! A dedicated pgbouncer in front of a PostgreSQL server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::geteuid;
use storage_postgres::PgOptions;
use tempfile::TempDir;
use tokio::process::Child;
use workspace::process::find;

use crate::deployment::free_port;
use crate::system_user::{SystemUser, capture};
use crate::waiting::eventually;

/// Name of the program and of its Debian package.
const PROGRAM: &str = "pgbouncer";

/// A running pgbouncer. It is killed on drop.
pub struct Pooler {
    _child: Child,
    _dir: TempDir,
    port: u16,
}

impl Pooler {
    /// Starts pgbouncer in front of a server with this `pool_mode`. Installs pgbouncer first if it is missing and the test runs
    /// as root on Debian.
    pub async fn start(server: &PgOptions, pool_mode: &str) -> Self {
        let program = tokio::task::spawn_blocking(program).await.unwrap();
        let user = SystemUser::find();
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
        command
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pooler = Self {
            _child: child,
            _dir: dir,
            port,
        };
        eventually("pgbouncer listens", async || {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            connected.ok().map(drop)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        pooler
    }

    /// Returns the port that the pooler listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Returns the path of pgbouncer, and installs it if possible.
fn program() -> PathBuf {
    if let Some(found) = find(PROGRAM) {
        return found;
    }
    assert!(
        geteuid().is_root() && Path::new("/etc/debian_version").is_file(),
        "{PROGRAM} not found: install the package {PROGRAM}"
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
    apt_get(&["install", "-y", "--no-install-recommends", PROGRAM]);
    find(PROGRAM).expect("the package pgbouncer installs the program")
}
