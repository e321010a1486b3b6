//! The common behaviour of all sources of files, against each server and a local directory.

mod finished;

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use domain::evidence::ResponseTimes;
use domain::ports::FileVersion;
use tempfile::TempDir;
use vendor_feeds::FtpsTls;

use super::bucket::Service;
use super::ftpd::{Certificate, Ftpd};
use super::sshd::Sshd;
use super::*;

/// Lets the user of vsftpd delete and move files.
const WRITABLE: &str = "write_enable=YES\nanon_other_write_enable=YES";

/// A server whose files are those of a local directory.
trait FileServer {
    /// The directory of the reports, in a directory of the server.
    fn reports(&self) -> PathBuf;

    /// The source that reads files of this name.
    fn source(&self, name: &str) -> Source;

    /// Whether files may be links.
    fn has_links(&self) -> bool {
        true
    }
}

impl FileServer for TempDir {
    fn reports(&self) -> PathBuf {
        self.path().join("out")
    }

    fn source(&self, name: &str) -> Source {
        Source::File {
            path: self.reports().join(name),
        }
    }
}

impl FileServer for Sshd {
    fn reports(&self) -> PathBuf {
        self.reports()
    }

    fn source(&self, name: &str) -> Source {
        self.source(name, |_| {})
    }
}

impl FileServer for Ftpd {
    fn reports(&self) -> PathBuf {
        self.reports()
    }

    fn source(&self, name: &str) -> Source {
        self.source(name, |_| {})
    }
}

impl FileServer for Service {
    fn reports(&self) -> PathBuf {
        self.reports()
    }

    fn source(&self, name: &str) -> Source {
        self.source(&format!("out/{name}"), |_| {})
    }

    fn has_links(&self) -> bool {
        false
    }
}

fn local() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("out")).unwrap();
    directory
}

fn sshd() -> Sshd {
    Sshd::start(&["ed25519"], "")
}

fn vsftpd(tls: FtpsTls) -> Ftpd {
    Ftpd::vsftpd(tls, Certificate::Signed, WRITABLE)
}

async fn servers() -> Vec<(&'static str, Box<dyn FileServer>)> {
    let servers: Vec<(_, Box<dyn FileServer>)> = vec![
        ("local", Box::new(local())),
        ("OpenSSH", Box::new(sshd())),
        ("vsftpd", Box::new(vsftpd(FtpsTls::Explicit))),
        ("vsftpd, implicit", Box::new(vsftpd(FtpsTls::Implicit))),
        ("pyftpdlib", Box::new(Ftpd::pyftpdlib())),
        ("bucket", Box::new(Service::start().await)),
    ];
    for (_, server) in &servers {
        let_write(&server.reports());
    }
    servers
}

/// Lets each user write in a directory.
fn let_write(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Creates a directory in which each user may write.
fn create(directory: &Path) {
    fs::create_dir(directory).unwrap();
    let_write(directory);
}

#[tokio::test]
async fn newest_compressed_file_is_read_with_its_time() {
    for (name, server) in servers().await {
        let at = |name: &str| server.reports().join(name);
        write_reports(&server.reports());
        create(&at("stock_f.csv.gz"));
        create(&at("daily"));
        for elsewhere in ["daily/stock_h.csv.gz", "../stock_g.csv.gz"] {
            write(&at(elsewhere), "x", 100);
        }
        let feed = feed(server.source("stock_*.csv.gz"));
        // The second fetch may resume the session of the first.
        for _ in 0..2 {
            let fetched = fetch(&feed).await;
            assert_eq!(units(&fetched, "0012"), Some(2), "{name}");
            let last_modified = modified().map(|time| time.plus(Duration::from_secs(20)));
            assert_eq!(
                fetched.times,
                ResponseTimes {
                    last_modified,
                    is_file_time: true,
                    ..ResponseTimes::default()
                },
                "{name}"
            );
            let size = fs::metadata(at("stock_b.csv.gz")).unwrap().len();
            assert_eq!(
                fetched.read_file.map(|file| file.version),
                Some(FileVersion {
                    name: "stock_b.csv.gz".to_owned(),
                    size,
                    modified: last_modified,
                }),
                "{name}"
            );
        }
        let feed = super::feed(server.source("stock_c.csv.gz"));
        assert_eq!(units(&fetch(&feed).await, "0012"), Some(1), "{name}");
    }
}

#[tokio::test]
async fn directory_with_too_many_entries_is_refused() {
    let servers: [Box<dyn FileServer>; 2] = [Box::new(local()), Box::new(sshd())];
    for server in servers {
        let reports = server.reports();
        write(&reports.join("stock.csv"), csv(1), 0);
        // Each is a link, which is the fastest to create.
        for number in 1..50_000 {
            symlink("x", reports.join(number.to_string())).unwrap();
        }
        let feed = feed(server.source("*.csv"));
        // OpenSSH also lists the directory itself and its parent.
        let links = names(&reports).len();
        assert_eq!(links, 50_000);
        symlink("x", reports.join("one more")).unwrap();
        let shown = reports.display();
        assert_eq!(
            unavailable(&feed).await,
            format!("the directory {shown} has more than 50000 entries")
        );
        for number in 1..10 {
            fs::remove_file(reports.join(number.to_string())).unwrap();
        }
        assert_eq!(units(&fetch(&feed).await, "0012"), Some(1));
    }
}
