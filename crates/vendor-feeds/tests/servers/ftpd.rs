//! FTP servers with TLS: vsftpd, which lists names only and requires that data connections resume the TLS session, and
//! pyftpdlib, which has MLSD.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use vendor_feeds::{FtpsOptions, FtpsTls, SecretString, Source};

use super::process::{ServerProcess, free_port, is_root, open_to_all, program};

/// The interpreter of the system's packages.
const PYTHON: &str = "/usr/bin/python3";
pub(crate) const PASSWORD: &str = "shop-5f2c";

/// A server, and the files of its user.
pub(crate) struct Ftpd {
    pub(crate) port: u16,
    tls: FtpsTls,
    user: &'static str,
    directory: TempDir,
    process: ServerProcess,
}

/// The certificate of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Signed by an authority.
    Signed,
    /// Self-signed, and marked as that of an authority.
    OwnAuthority,
}

impl Ftpd {
    /// Starts vsftpd with further lines of its configuration.
    pub(crate) fn vsftpd(tls: FtpsTls, certificate: Certificate, config: &str) -> Self {
        Self::start_vsftpd(tls, certificate, config, None)
    }

    /// Starts vsftpd, which states times in this zone.
    pub(crate) fn vsftpd_in_zone(zone: &str) -> Self {
        let config = "use_localtime=YES";
        Self::start_vsftpd(FtpsTls::Explicit, Certificate::Signed, config, Some(zone))
    }

    fn start_vsftpd(
        tls: FtpsTls,
        certificate: Certificate,
        config: &str,
        zone: Option<&str>,
    ) -> Self {
        let directory = prepare(certificate);
        let at = |name: &str| directory.path().join(name).display().to_string();
        fs::write(at("passwords"), format!("{PASSWORD}\n")).unwrap();
        let port = free_port();
        let implicit = match tls {
            FtpsTls::Explicit => "NO",
            FtpsTls::Implicit => "YES",
        };
        let user = if is_root() {
            "ftp_username=daemon\nnopriv_user=daemon".to_owned()
        } else {
            let name = Command::new("id").arg("-un").output().unwrap();
            let name = String::from_utf8(name.stdout).unwrap();
            format!("ftp_username={name}run_as_launching_user=YES")
        };
        let text = format!(
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nconnect_from_port_20=NO\n\
             anonymous_enable=YES\nlocal_enable=NO\nanon_root={root}\nanon_world_readable_only=NO\n\
             secure_email_list_enable=YES\nemail_password_file={passwords}\nsecure_chroot_dir={empty}\nseccomp_sandbox=NO\n\
             ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nrequire_ssl_reuse=YES\n\
             ssl_ciphers=HIGH\nimplicit_ssl={implicit}\nrsa_cert_file={certificate}\nrsa_private_key_file={key}\n\
             xferlog_enable=YES\nlog_ftp_protocol=YES\nvsftpd_log_file={log}\n{user}\n{config}\n",
            root = at("root"),
            passwords = at("passwords"),
            empty = at("empty"),
            certificate = at("server.pem"),
            key = at("server.key"),
            log = at("log"),
        );
        fs::write(at("vsftpd.conf"), text).unwrap();
        let mut command = Command::new(program("vsftpd"));
        command.arg(at("vsftpd.conf")).stdin(Stdio::null());
        if let Some(zone) = zone {
            command.env("TZ", zone);
        }
        let process = ServerProcess::start(&mut command, port);
        Self {
            port,
            tls,
            user: "anonymous",
            directory,
            process,
        }
    }

    /// Starts pyftpdlib, without EPSV and with a wrong address in the responses to PASV.
    pub(crate) fn pyftpdlib() -> Self {
        let directory = prepare(Certificate::Signed);
        let at = |name: &str| directory.path().join(name);
        let pem = ["server.key", "server.pem"].map(|name| fs::read_to_string(at(name)).unwrap());
        fs::write(at("both.pem"), pem.concat()).unwrap();
        let port = free_port();
        let modules = Command::new(PYTHON)
            .args(["-c", "import pyftpdlib, OpenSSL"])
            .output();
        assert!(
            modules.is_ok_and(|output| output.status.success()),
            "pyftpdlib is not installed: run cargo xtask services"
        );
        let mut command = Command::new(PYTHON);
        command
            .args(["-c", include_str!("pyftpdlib_server.py")])
            .args([&port.to_string(), "shop", PASSWORD])
            .args([at("root"), at("both.pem")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap());
        let process = ServerProcess::start(&mut command, port);
        Self {
            port,
            tls: FtpsTls::Explicit,
            user: "shop",
            directory,
            process,
        }
    }

    /// The directory of the reports.
    pub(crate) fn reports(&self) -> PathBuf {
        self.directory.path().join("root/out")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Ends vsftpd at once, with the processes of its connections, which its log names.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
        for line in self.log().lines() {
            let pid = line
                .split_once("[pid ")
                .and_then(|(_, rest)| rest.split_once(']'));
            let pid = pid.and_then(|(pid, _)| Pid::from_raw(pid.parse().ok()?));
            let _ = kill_process(pid.unwrap(), Signal::KILL);
        }
    }

    /// The options of the file `/out/name`.
    pub(crate) fn options(&self, name: &str) -> FtpsOptions {
        FtpsOptions {
            allow_addresses: Vec::new(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            path: format!("/out/{name}"),
            tls: self.tls,
            authorities: Some(fs::read(self.directory.path().join("authority.pem")).unwrap()),
            time_zone: None,
            user: self.user.to_owned(),
            password: SecretString::from(PASSWORD),
        }
    }

    /// As [`options`](Self::options), with changes.
    pub(crate) fn source(&self, name: &str, change: impl FnOnce(&mut FtpsOptions)) -> Source {
        let mut options = self.options(name);
        change(&mut options);
        Source::Ftps(options)
    }
}

/// Creates the directories and the certificates of a server.
fn prepare(certificate: Certificate) -> TempDir {
    let directory = TempDir::new().unwrap();
    open_to_all(directory.path());
    for name in ["root", "root/out", "empty"] {
        fs::create_dir(directory.path().join(name)).unwrap();
        open_to_all(&directory.path().join(name));
    }
    write_certificates(directory.path(), certificate);
    directory
}

fn write_certificates(directory: &Path, certificate: Certificate) {
    let write = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
    let mut authority = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let own = authority.self_signed(&authority_key).unwrap();
    write("authority.pem", own.pem());
    match certificate {
        Certificate::OwnAuthority => {
            write("server.pem", own.pem());
            write("server.key", authority_key.serialize_pem());
        }
        Certificate::Signed => {
            let issuer = Issuer::new(authority, authority_key);
            let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            let signed = server.signed_by(&key, &issuer).unwrap();
            write("server.pem", signed.pem());
            write("server.key", key.serialize_pem());
        }
    }
}
