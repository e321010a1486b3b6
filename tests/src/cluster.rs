//! Dedicated PostgreSQL servers for tests that configure, stop, replicate or promote a server.
//!
//! A server uses the programs installed on this machine, runs in a temporary directory as a non-root user, and listens on
//! the loopback interface only. Dropping a server stops it and removes its directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use storage_postgres::PgOptions;
use tempfile::TempDir;

use crate::authority::Issued;
use crate::deployment::free_port;
use crate::system_user::{SystemUser, capture};

/// Directory in which Debian installs each version of PostgreSQL.
const DEBIAN_DIR: &str = "/usr/lib/postgresql";

/// Superuser of each cluster.
const ADMIN: &str = "postgres";

/// A PostgreSQL server with its data directory.
pub struct Cluster {
    bin_dir: PathBuf,
    user: SystemUser,
    dir: TempDir,
    port: u16,
}

impl Cluster {
    /// Creates a cluster with these configuration lines and starts it.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        let cluster = Self::empty();
        let mut initdb = cluster.program("initdb");
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["-U", ADMIN, "-D"]).arg(cluster.data());
        capture(&mut initdb);
        let conf = cluster.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&conf).unwrap();
        text.push_str(
            "\nshared_buffers = 16MB\nmax_connections = 100\nwal_keep_size = 256MB\n\
             include_if_exists = 'test.conf'\n",
        );
        fs::write(&conf, text).unwrap();
        cluster.write_configuration(configuration);
        cluster.run();
        cluster
    }

    fn empty() -> Self {
        let user = SystemUser::find();
        Self {
            bin_dir: bin_dir(),
            user,
            dir: user.temp_dir(),
            port: free_port(),
        }
    }

    /// Creates and starts a streaming standby of this server.
    #[must_use]
    pub fn standby(&self) -> Self {
        let standby = Self::empty();
        standby.clone_from_primary(self);
        standby
    }

    /// Replaces the data of this stopped server by a copy of `primary` and starts it as a standby of `primary`.
    pub fn rejoin(&self, primary: &Self) {
        fs::remove_dir_all(self.data()).unwrap();
        self.clone_from_primary(primary);
    }

    fn clone_from_primary(&self, primary: &Self) {
        let mut backup = self.program("pg_basebackup");
        backup.args(["-h", "127.0.0.1", "-U", ADMIN, "-p"]);
        backup.arg(primary.port.to_string());
        backup.args(["--write-recovery-conf", "--checkpoint=fast", "-D"]);
        capture(backup.arg(self.data()));
        self.write_configuration("");
        self.run();
    }

    /// Returns the server's `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the connection options.
    #[must_use]
    pub fn options(&self) -> PgOptions {
        PgOptions {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: ADMIN.to_owned(),
            password: None,
            database: ADMIN.to_owned(),
            tls: None,
            application_name: "order-aggregator-test".to_owned(),
            pool_size: 10,
            pool_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            commit_timeout: Duration::from_secs(10),
        }
    }

    /// Writes certificate and key of the server, which a configuration with `ssl = on` reads at its next reload.
    pub fn write_certificate(&self, issued: &Issued) {
        let (certificate, key) = issued.write(&self.data(), "server");
        for file in [&certificate, &key] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
            self.user.own(file);
        }
    }

    /// Writes the certificates of the authorities that sign clients, for `ssl_ca_file = 'root.crt'`.
    pub fn write_client_authority(&self, pem: &str) {
        let file = self.data().join("root.crt");
        fs::write(&file, pem).unwrap();
        self.user.own(&file);
    }

    /// Replaces the additional configuration lines and reloads the configuration.
    pub fn configure(&self, configuration: &str) {
        self.write_configuration(configuration);
        capture(self.control().arg("reload"));
    }

    /// Replaces `pg_hba.conf` and reloads the configuration.
    pub fn set_logins(&self, lines: &str) {
        fs::write(self.data().join("pg_hba.conf"), lines).unwrap();
        capture(self.control().arg("reload"));
    }

    fn write_configuration(&self, configuration: &str) {
        let file = self.data().join("test.conf");
        fs::write(&file, configuration).unwrap();
        self.user.own(&file);
    }

    /// Runs one statement as the superuser, also on a standby. Returns one line per row.
    #[must_use]
    pub fn query(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args(["-X", "-A", "-t", "-q", "-h", "127.0.0.1", "-U", ADMIN, "-p"]);
        psql.arg(self.port.to_string());
        psql.args(["-d", database, "-v", "ON_ERROR_STOP=1", "-c", sql]);
        capture(&mut psql).trim().to_owned()
    }

    /// Starts the server.
    pub fn run(&self) {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories=",
            self.port
        );
        let mut start = self.control();
        start.args(["start", "--silent", "--wait", "--timeout=60", "-l"]);
        start.arg(self.dir.path().join("server.log"));
        // The server inherits the standard streams, and reading a pipe would wait until the server ends.
        start.arg("-o").arg(options).stdin(Stdio::null());
        let status = start.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.unwrap().success(), "{}", self.log());
    }

    /// Stops the server without a checkpoint, like a crash.
    pub fn crash(&self) {
        capture(self.control().args(["stop", "--mode=immediate", "--wait"]));
    }

    /// Promotes a standby and returns once it accepts writes.
    pub fn promote(&self) {
        capture(self.control().args(["promote", "--wait", "--timeout=60"]));
    }

    /// Returns the server log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn control(&self) -> Command {
        let mut control = self.program("pg_ctl");
        control.arg("-D").arg(self.data());
        control
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(name));
        self.user.run(&mut command);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The server may be stopped already.
        let mut stop = self.control();
        stop.args(["stop", "--silent", "--mode=immediate", "--wait"]);
        let _ = stop.output();
    }
}

/// Returns the `bin` directory of the newest installed PostgreSQL server.
fn bin_dir() -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN_DIR)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, dir)| dir.join("initdb").is_file())
        .collect();
    versions.sort();
    let newest = versions.pop().map(|(_, dir)| dir);
    let on_path = || Some(workspace::process::find("initdb")?.parent()?.to_owned());
    newest.or_else(on_path).expect(
        "PostgreSQL server programs (initdb, pg_ctl, pg_basebackup) not found: install the package postgresql",
    )
}
