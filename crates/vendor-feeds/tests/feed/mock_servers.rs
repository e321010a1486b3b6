//! Files of a mock vendor over SFTP, FTPS and in a bucket, and the outcomes of feeds for each fault, word for word.

use std::fs;
use std::path::Path;
use std::time::Duration;

use domain::ports::{FetchedReport, VendorFeed};
use mock_vendor::script::{Script, ScriptedVendor};
use tempfile::TempDir;
use vendor_feeds::{
    AccessKey, BucketOptions, FtpsOptions, FtpsTls, SecretString, SftpLogin, SftpOptions, Source,
};

use super::{feed_of, options_of};

/// The transports, with their keys in the script.
#[derive(Clone, Copy)]
struct Transport {
    name: &'static str,
    keys: &'static str,
}

const SFTP: Transport = Transport {
    name: "sftp",
    keys: "directory = '/out'\nauth = { type = 'password', user = 'shop', password = 'secret' }",
};
const FTPS: Transport = Transport {
    name: "ftps",
    keys: "directory = '/out'\nauth = { type = 'password', user = 'shop', password = 'secret' }",
};
const BUCKET: Transport = Transport {
    name: "bucket",
    keys: "directory = 'feeds/out'\nauth = { type = 'access_key', id = 'SHOP', secret = 'secret' }",
};
const ALL: [Transport; 3] = [SFTP, FTPS, BUCKET];

const WHOLE: &str = "2 products";

/// A vendor with one file, and the directory of its certificate.
struct Server {
    vendor: ScriptedVendor,
    transport: Transport,
    directory: TempDir,
}

impl Server {
    /// Starts a vendor with further lines, and waits until it has begun its file.
    async fn start(transport: Transport, lines: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let Transport { name, keys } = transport;
        let ca_file = match name {
            "ftps" => format!("ca_file = '{}'", directory.path().join("ca.pem").display()),
            _ => String::new(),
        };
        let text = format!(
            "[[vendors]]\nname = 'acme'\ntransport = '{name}'\nlisten = '127.0.0.1:0'\nfile_name = 'stock.json'\n\
             interval_s = 3600\nstock = {{ 'A-1' = 5, 'B-2' = 7 }}\n{keys}\n{ca_file}\n{lines}\n"
        );
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let vendor = script.start().unwrap().remove(0);
        let is_slow = lines.contains("part") || lines.contains("growing");
        while vendor.requests() == 0 && !is_slow {
            tokio::task::yield_now().await;
        }
        if is_slow {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Self {
            vendor,
            transport,
            directory,
        }
    }

    async fn with_fault(transport: Transport, fault: &str) -> Self {
        let step = match fault {
            "" => String::new(),
            fault => format!("[[vendors.steps]]\nfault = {{ {fault} }}"),
        };
        Self::start(transport, &step).await
    }

    fn port(&self) -> u16 {
        self.vendor.address().unwrap().port()
    }

    fn setting(&self, name: &str) -> String {
        self.vendor.setting(name).unwrap().to_owned()
    }

    fn ftps(&self, password: &str) -> FtpsOptions {
        let authorities = fs::read(Path::new(&self.setting("ca_file"))).unwrap();
        assert!(
            self.setting("ca_file")
                .starts_with(self.directory.path().to_str().unwrap())
        );
        FtpsOptions {
            allow_addresses: Vec::new(),
            host: "127.0.0.1".to_owned(),
            port: self.port(),
            path: "/out/stock*".to_owned(),
            tls: FtpsTls::Explicit,
            authorities: Some(authorities),
            time_zone: None,
            user: "shop".to_owned(),
            password: SecretString::from(password),
        }
    }

    /// The source of a feed with a password.
    fn source(&self, password: &str) -> Source {
        match self.transport.name {
            "sftp" => Source::Sftp(SftpOptions {
                allow_addresses: Vec::new(),
                host: "127.0.0.1".to_owned(),
                port: self.port(),
                path: "/out/stock*".to_owned(),
                host_key: self.setting("host_key"),
                user: "shop".to_owned(),
                login: SftpLogin::Password(SecretString::from(password)),
            }),
            "ftps" => Source::Ftps(self.ftps(password)),
            _ => Source::Bucket(BucketOptions {
                allow_addresses: Vec::new(),
                bucket: "feeds".to_owned(),
                key: "out/stock*".to_owned(),
                endpoint: self.setting("endpoint").parse().ok(),
                region: "eu-central-1".to_owned(),
                access_key: Some(AccessKey {
                    id: "SHOP".to_owned(),
                    secret: SecretString::from(password),
                }),
            }),
        }
    }
}

async fn fetch(source: Source) -> Result<FetchedReport, String> {
    let mut options = options_of(source);
    options.timeout = Duration::from_secs(20);
    let fetched = feed_of(options).fetch().await;
    fetched.map_err(|error| error.to_string())
}

async fn outcome(source: Source) -> String {
    match fetch(source).await {
        Ok(fetched) => format!("{} products", fetched.report.quantities().len()),
        Err(error) => error,
    }
}

/// The outcome of a feed of a vendor with this fault.
async fn read(transport: Transport, fault: &str) -> String {
    let server = Server::with_fault(transport, fault).await;
    outcome(server.source("secret")).await
}

#[tokio::test]
async fn files_are_read_over_each_transport() {
    for transport in ALL {
        for fault in [
            "",
            "kind = 'slow', bytes = 20, ms = 1",
            "kind = 'delay', ms = 5",
        ] {
            let name = transport.name;
            assert_eq!(read(transport, fault).await, WHOLE, "{name} {fault}");
        }
    }
}

#[tokio::test]
async fn files_that_are_not_finished_are_not_read() {
    for transport in ALL {
        let shown = match transport.name {
            "bucket" => "out/stock*",
            _ => "/out/stock*",
        };
        let no_match = format!("no file matches {shown}");
        for (fault, problem) in [
            ("kind = 'part', ms = 60000", no_match.as_str()),
            (
                "kind = 'growing', ms = 4000",
                "the report is not ready: the file stock.json still grows",
            ),
            (
                "kind = 'empty'",
                "the report is not ready: the file stock.json is empty",
            ),
            (
                "kind = 'truncate'",
                "the report is malformed: stock.json: invalid JSON: EOF while parsing a list at line 1 column 55",
            ),
        ] {
            let name = transport.name;
            assert_eq!(read(transport, fault).await, problem, "{name} {fault}");
        }
    }
}

#[tokio::test]
async fn connections_that_are_cut_are_named() {
    for (transport, problem) in [
        (
            SFTP,
            "cannot read /out/stock.json: the server closed the connection",
        ),
        (
            FTPS,
            "cannot read stock.json: the server closed the connection",
        ),
        (
            BUCKET,
            "cannot read feeds/out/stock.json: end of file before message length reached",
        ),
    ] {
        assert_eq!(read(transport, "kind = 'cut'").await, problem);
    }
}

#[tokio::test]
async fn refused_logins_are_named() {
    let refused = |transport: Transport| match transport.name {
        "sftp" => {
            "the server refused the password of the user shop (source.auth); it accepts a login by password"
        }
        "ftps" => "the server refused the login (source.auth): 530 Login incorrect",
        _ => "cannot read feeds/out: AccessDenied: Access Denied",
    };
    for transport in ALL {
        let found = read(transport, "kind = 'refuse_login'").await;
        assert_eq!(found, refused(transport));
        let server = Server::with_fault(transport, "").await;
        let found = outcome(server.source("wrong")).await;
        match transport.name {
            "bucket" => assert_eq!(found, "cannot read feeds/out: SignatureDoesNotMatch"),
            _ => assert_eq!(found, refused(transport)),
        }
    }
}

#[tokio::test]
async fn server_that_stops_sending_is_named_after_the_timeout() {
    for transport in ALL {
        for fault in ["kind = 'stall'", "kind = 'hang'"] {
            let server = Server::with_fault(transport, fault).await;
            let mut options = options_of(server.source("secret"));
            // The second look at a file is a second after the first.
            options.timeout = Duration::from_secs(4);
            let error = feed_of(options).fetch().await.unwrap_err().to_string();
            let name = transport.name;
            let expected = "no complete response within 4s";
            assert!(error.starts_with(expected), "{name} {fault}: {error}");
        }
    }
}

#[tokio::test]
async fn local_times_of_a_server_are_read_in_its_zone() {
    let server = Server::start(FTPS, "time_zone = 'Asia/Kolkata'").await;
    let modified = async |zone: Option<&str>| {
        let options = FtpsOptions {
            time_zone: zone.map(str::to_owned),
            ..server.ftps("secret")
        };
        let fetched = fetch(Source::Ftps(options)).await.unwrap();
        fetched.times.last_modified.unwrap()
    };
    let (stated, meant) = (modified(None).await, modified(Some("Asia/Kolkata")).await);
    assert_eq!(stated.since(meant), Duration::from_mins(330));
}

#[tokio::test]
async fn ftps_server_begins_with_tls_or_has_no_mlsd() {
    let server = Server::start(FTPS, "tls = 'implicit'").await;
    let implicit = FtpsOptions {
        tls: FtpsTls::Implicit,
        ..server.ftps("secret")
    };
    assert_eq!(outcome(Source::Ftps(implicit)).await, WHOLE);
    let server = Server::start(FTPS, "mlsd = false").await;
    assert_eq!(outcome(server.source("secret")).await, WHOLE);
}
