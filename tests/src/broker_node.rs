//! Dedicated RabbitMQ nodes with TLS, for tests that replace their certificates.
//!
//! A node uses the programs installed on this machine, has a name, ports and a temporary directory of its own, and listens on
//! the loopback interface only. Dropping it stops the node and removes its directory.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::authority::Issued;
use crate::deployment::free_ports;
use crate::system_user::{SystemUser, capture};

const NEEDED: &str =
    "RabbitMQ (rabbitmq-server, rabbitmqctl) not found: run `cargo xtask services`";

/// Timeout of the start of a node.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// A RabbitMQ node with one port for TLS and one for clear text.
pub struct BrokerNode {
    dir: TempDir,
    user: SystemUser,
    name: String,
    tls_port: u16,
    port: u16,
}

impl BrokerNode {
    /// Starts a node with this certificate. If `client_authority` is set, it requires client certificates of this authority.
    #[must_use]
    pub fn start(certificate: &Issued, client_authority: Option<&str>) -> Self {
        let user = SystemUser::named("rabbitmq");
        let ports = free_ports(3);
        let node = Self {
            dir: user.temp_dir(),
            user,
            name: format!("orders-tls-{}@localhost", ports[0]),
            tls_port: ports[0],
            port: ports[1],
        };
        certificate.write(node.dir.path(), "server");
        let path = |name: &str| node.dir.path().join(name).display().to_string();
        let mut settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nlisteners.ssl.1 = 127.0.0.1:{}\n\
             ssl_options.certfile = {}\nssl_options.keyfile = {}\n",
            node.port,
            node.tls_port,
            path("server.crt"),
            path("server.key"),
        );
        if let Some(authority) = client_authority {
            fs::write(path("clients.crt"), authority).unwrap();
            settings.push_str("ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\nssl_options.cacertfile = ");
            settings.push_str(&path("clients.crt"));
            settings.push('\n');
        }
        for (name, text) in [
            ("rabbitmq.conf", settings.as_str()),
            ("rabbitmq-env.conf", ""),
            ("enabled_plugins", "[].\n"),
        ] {
            fs::write(path(name), text).unwrap();
        }
        for entry in fs::read_dir(node.dir.path()).unwrap() {
            node.user.own(&entry.unwrap().path());
        }
        node.run(ports[2]);
        node
    }

    fn run(&self, distribution_port: u16) {
        let server = workspace::process::find("rabbitmq-server").expect(NEEDED);
        let path = |name: &str| self.dir.path().join(name);
        let status = Command::new(server)
            .arg("-detached")
            .current_dir("/")
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_DIST_PORT", distribution_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", path("data"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_PID_FILE", path("pid"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            // The node inherits the standard streams, so a pipe would never be closed.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "rabbitmq-server failed with {status}");
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", self.tls_port)).is_err() {
            assert!(Instant::now() < deadline, "RabbitMQ does not listen");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Replaces the certificate, which the node uses for the next connection.
    pub fn replace_certificate(&self, certificate: &Issued) {
        let (certificate, key) = certificate.write(self.dir.path(), "server");
        self.user.own(&certificate);
        self.user.own(&key);
        // Without this the node reads the files again after up to two minutes.
        capture(self.control().args(["eval", "ssl:clear_pem_cache()."]));
    }

    /// Returns the port for TLS.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// Returns the port for clear text.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the directory of the node.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn control(&self) -> Command {
        let mut command = Command::new("rabbitmqctl");
        command.current_dir("/").args(["--quiet", "-n", &self.name]);
        command
    }
}

impl Drop for BrokerNode {
    fn drop(&mut self) {
        // The node may be stopped already.
        let _ = self.control().arg("shutdown").output();
    }
}
