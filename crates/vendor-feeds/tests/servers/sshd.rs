//! OpenSSH with keys, users and files of its own. A library that is loaded into the server states its users, so that it needs
//! neither root nor users of the system.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use vendor_feeds::{SecretString, SftpLogin, SftpOptions, Source};

use super::process::{ServerProcess, free_port, is_root, open_to_all, program};

const LIBRARY: &str = "libnss_wrapper.so";
pub(crate) const USER: &str = "shop";
pub(crate) const PASSWORD: &str = "pass;word 1";
pub(crate) const PASSPHRASE: &str = "open sesame";

/// A server, and the files of its user.
pub(crate) struct Sshd {
    pub(crate) port: u16,
    directory: TempDir,
    _process: ServerProcess,
}

impl Sshd {
    /// Starts a server with these types of host keys, as `ssh-keygen` names them, and further lines of its configuration.
    pub(crate) fn start(host_keys: &[&str], config: &str) -> Self {
        let server = Self::with_password(host_keys, config);
        generate_key(&server.file("user_ed25519"), "ed25519", PASSPHRASE);
        generate_key(&server.file("user_rsa"), "rsa", "");
        let keys = ["user_ed25519.pub", "user_rsa.pub"];
        let keys = keys.map(|name| fs::read_to_string(server.file(name)).unwrap());
        fs::write(server.file("authorized_keys"), keys.concat()).unwrap();
        server
    }

    /// As [`start`](Self::start), for a user without keys.
    pub(crate) fn with_password(host_keys: &[&str], config: &str) -> Self {
        require_users_library();
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        open_to_all(directory.path());
        fs::create_dir(at("out")).unwrap();
        open_to_all(&at("out"));
        let port = free_port();
        let mut text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nUsePAM no\nUseDNS no\n\
             AuthorizedKeysFile {}\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n{config}\n",
            at("authorized_keys").display()
        );
        for kind in host_keys {
            let path = at(&format!("host_{kind}"));
            generate_key(&path, kind, "");
            writeln!(text, "HostKey {}", path.display()).unwrap();
        }
        fs::write(at("sshd_config"), text).unwrap();
        write_users(directory.path());
        if is_root() {
            // Without it, a server that was started by root refuses to start.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut command = Command::new(program("sshd"));
        command
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(at("sshd_config"))
            .env("LD_PRELOAD", LIBRARY)
            .env("NSS_WRAPPER_PASSWD", at("passwd"))
            .env("NSS_WRAPPER_GROUP", at("group"))
            .env("NSS_WRAPPER_SHADOW", at("shadow"))
            .stderr(fs::File::create(at("log")).unwrap())
            .stdin(Stdio::null());
        let process = ServerProcess::start(&mut command, port);
        Self {
            port,
            directory,
            _process: process,
        }
    }

    /// The directory of the reports.
    pub(crate) fn reports(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// A file of the server.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The fingerprint of a host key.
    pub(crate) fn fingerprint(&self, kind: &str) -> String {
        fingerprint(&self.file(&format!("host_{kind}.pub")))
    }

    /// The options of the file `name` in the directory of the reports, with the password.
    pub(crate) fn options(&self, kind: &str, name: &str) -> SftpOptions {
        SftpOptions {
            allow_addresses: Vec::new(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            path: format!("{}/{name}", self.reports().display()),
            host_key: self.fingerprint(kind),
            user: USER.to_owned(),
            login: SftpLogin::Password(SecretString::from(PASSWORD)),
        }
    }

    /// As [`options`](Self::options), with changes.
    pub(crate) fn source(&self, name: &str, change: impl FnOnce(&mut SftpOptions)) -> Source {
        let mut options = self.options("ed25519", name);
        change(&mut options);
        Source::Sftp(options)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap()
    }
}

/// The loader only warns of a library that is missing.
fn require_users_library() {
    let loaded = Command::new("true")
        .env("LD_PRELOAD", LIBRARY)
        .output()
        .unwrap();
    let is_loaded = loaded.stderr.is_empty();
    assert!(
        is_loaded,
        "{LIBRARY} is not installed: run cargo xtask services"
    );
}

/// The fingerprint of a public key.
pub(crate) fn fingerprint(public: &Path) -> String {
    let output = Command::new(program("ssh-keygen"))
        .arg("-lf")
        .arg(public)
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

fn generate_key(path: &Path, kind: &str, passphrase: &str) {
    // The smallest that servers accept: it takes the least time.
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let done = Command::new(program("ssh-keygen"))
        .args(["-q", "-t", kind, "-N", passphrase])
        .args(bits)
        .arg("-f")
        .arg(path)
        .status()
        .unwrap();
    assert!(done.success());
}

/// Writes the users: that of the login, which is the user of this process unless it is root, and that of the server.
fn write_users(directory: &Path) {
    let (uid, gid) = if is_root() {
        (65_534, 65_534)
    } else {
        (
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
        )
    };
    let home = directory.display();
    let hash = Command::new(program("openssl"))
        .args(["passwd", "-6", PASSWORD])
        .output()
        .unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    let passwd = format!(
        "root:x:0:0:root:/root:/bin/sh\nsshd:x:74:74::/run/sshd:/usr/sbin/nologin\n{USER}:x:{uid}:{gid}::{home}:/bin/sh\n"
    );
    fs::write(directory.join("passwd"), passwd).unwrap();
    let group = format!("root:x:0:\nsshd:x:74:\n{USER}:x:{gid}:\n");
    fs::write(directory.join("group"), group).unwrap();
    let shadow = format!("{USER}:{}:19000:0:99999:7:::\n", hash.trim());
    fs::write(directory.join("shadow"), shadow).unwrap();
}
