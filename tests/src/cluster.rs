//! PostgreSQL servers of a test's own, which it can configure, stop, replicate and promote.
//!
//! They run from the programs that are installed on this machine, in a temporary folder, as a user that is not root, and
//! listen on the loopback interface only. Dropping a server stops it and removes its folder.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use storage_postgres::PgOptions;
use tempfile::TempDir;

use crate::deployment::free_port;
use crate::system_user::{SystemUser, capture};

/// Where Debian keeps one folder for each version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// The superuser of each cluster.
const ADMIN: &str = "postgres";

/// One server.
pub struct Cluster {
    programs: PathBuf,
    user: SystemUser,
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// Makes a cluster and starts it, with these lines in its configuration.
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
        let user = SystemUser::find(&["postgres"]);
        Self {
            programs: programs(),
            user,
            folder: user.folder(),
            port: free_port(),
        }
    }

    /// A standby of this server, which streams from it.
    #[must_use]
    pub fn standby(&self) -> Self {
        let standby = Self::empty();
        standby.copy_of(self);
        standby
    }

    /// Takes a stopped server's data away and makes it a standby of another server.
    pub fn rejoin(&self, primary: &Self) {
        fs::remove_dir_all(self.data()).unwrap();
        self.copy_of(primary);
    }

    fn copy_of(&self, primary: &Self) {
        let mut backup = self.program("pg_basebackup");
        backup.args(["-h", "127.0.0.1", "-U", ADMIN, "-p"]);
        backup.arg(primary.port.to_string());
        backup.args(["--write-recovery-conf", "--checkpoint=fast", "-D"]);
        capture(backup.arg(self.data()));
        self.write_configuration("");
        self.run();
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How to reach it.
    #[must_use]
    pub fn options(&self) -> PgOptions {
        PgOptions {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: ADMIN.to_owned(),
            password: None,
            database: ADMIN.to_owned(),
            application_name: "order-aggregator-test".to_owned(),
            pool_size: 10,
            pool_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            commit_timeout: Duration::from_secs(10),
        }
    }

    /// Replaces the lines that were added to the configuration, and has the server read them.
    pub fn configure(&self, configuration: &str) {
        self.write_configuration(configuration);
        capture(self.control().arg("reload"));
    }

    /// Replaces who may log in and how, and has the server read it.
    pub fn set_logins(&self, lines: &str) {
        fs::write(self.data().join("pg_hba.conf"), lines).unwrap();
        capture(self.control().arg("reload"));
    }

    fn write_configuration(&self, configuration: &str) {
        let file = self.data().join("test.conf");
        fs::write(&file, configuration).unwrap();
        self.user.own(&file);
    }

    /// Runs one statement as the superuser, on a standby too. Returns what it returns, a row a line.
    #[must_use]
    pub fn query(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args(["-X", "-A", "-t", "-q", "-h", "127.0.0.1", "-U", ADMIN, "-p"]);
        psql.arg(self.port.to_string());
        psql.args(["-d", database, "-v", "ON_ERROR_STOP=1", "-c", sql]);
        capture(&mut psql).trim().to_owned()
    }

    /// Starts it again.
    pub fn run(&self) {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories=",
            self.port
        );
        let mut start = self.control();
        start.args(["start", "--silent", "--wait", "--timeout=60", "-l"]);
        start.arg(self.folder.path().join("server.log"));
        // The server keeps what it is given, and a pipe would be waited for.
        start.arg("-o").arg(options).stdin(Stdio::null());
        let status = start.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.unwrap().success(), "{}", self.log());
    }

    /// Ends it as a crash would.
    pub fn crash(&self) {
        capture(self.control().args(["stop", "--mode=immediate", "--wait"]));
    }

    /// Makes a standby a primary, and returns when it takes writes.
    pub fn promote(&self) {
        capture(self.control().args(["promote", "--wait", "--timeout=60"]));
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn control(&self) -> Command {
        let mut control = self.program("pg_ctl");
        control.arg("-D").arg(self.data());
        control
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        self.user.run(&mut command);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already.
        let mut stop = self.control();
        stop.args(["stop", "--silent", "--mode=immediate", "--wait"]);
        let _ = stop.output();
    }
}

/// The folder of the newest installed version that has a server.
fn programs() -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN_FOLDER)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    let newest = versions.pop().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    newest.or_else(on_path).expect(
        "these tests need the programs of a PostgreSQL server (initdb, pg_ctl, pg_basebackup) on this machine: install the \
         package postgresql",
    )
}
