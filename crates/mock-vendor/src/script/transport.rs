//! How the documents of a scripted vendor reach the feed: the keys that each transport has.

use std::ops::Range;
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::as_of;
use super::auth::Auth;
use super::files::Schedule;
use super::http::HttpVendor;
#[cfg(feature = "push")]
use super::push::PushVendor;
#[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
use super::server::{FileServer, Protocol};
use super::table::VendorTable;
use super::{FileVendor, Transport};

/// The name of a transport.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransportName {
    #[default]
    Http,
    File,
    Sftp,
    Ftps,
    Bucket,
    Push,
}

/// How TLS begins on an FTP connection, as in the feed's settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FtpsTls {
    #[default]
    Explicit,
    Implicit,
}

use TransportName::{Bucket, File, Ftps, Http, Push, Sftp};

/// The transports that listen on an address.
pub(super) const SERVERS: &[TransportName] = &[Http, Sftp, Ftps, Bucket];
/// The transports whose documents are files.
pub(super) const FILES: &[TransportName] = &[File, Sftp, Ftps, Bucket];
/// The transports whose files are read over a connection.
pub(super) const FILE_SERVERS: &[TransportName] = &[Sftp, Ftps, Bucket];

impl TransportName {
    fn as_str(self) -> &'static str {
        match self {
            Http => "http",
            File => "file",
            Sftp => "sftp",
            Ftps => "ftps",
            Bucket => "bucket",
            Push => "push",
        }
    }

    /// Describes a choice: `transport = "sftp", "ftps" or "bucket"`.
    pub(super) fn one_of(names: &[Self]) -> String {
        let mut text = "transport = ".to_owned();
        for (index, name) in names.iter().enumerate() {
            text.push_str(match index {
                0 => "",
                _ if index + 1 == names.len() => " or ",
                _ => ", ",
            });
            text.push('"');
            text.push_str(name.as_str());
            text.push('"');
        }
        text
    }
}

/// A problem, with its place if it is not that of the vendor.
type Problem = (Option<Range<usize>>, String);

fn at_vendor(problem: impl Into<String>) -> Problem {
    (None, problem.into())
}

/// The transport of a vendor.
pub(super) fn transport(table: &VendorTable) -> Result<Transport, Problem> {
    check_keys(table)?;
    if let Some(auth) = &table.auth {
        let auth_table = auth.get_ref();
        let possible = auth_table.transports();
        if !possible.contains(&table.transport) {
            let problem = format!("this auth.type needs {}", TransportName::one_of(possible));
            return Err((Some(auth.span()), problem));
        }
        if let Some(problem) = auth_table.problem() {
            return Err((Some(auth.span()), problem));
        }
    }
    match table.transport {
        Http => http(table),
        File => {
            let directory = required(table, table.directory.as_ref(), "directory")?;
            Ok(Transport::File(FileVendor {
                directory: directory.into(),
                schedule: schedule(table)?,
            }))
        }
        Sftp => sftp(table),
        Ftps => ftps(table),
        Bucket => bucket(table),
        Push => push(table),
    }
}

/// Checks that the transport has the keys.
fn check_keys(table: &VendorTable) -> Result<(), Problem> {
    const WITH_INTERVAL: &[TransportName] = &[File, Sftp, Ftps, Bucket, Push];
    const WITH_HEADERS: &[TransportName] = &[Http, Push];
    let keys: [(&str, bool, &[TransportName]); 13] = [
        ("listen", table.listen.is_some(), SERVERS),
        ("path", table.path.is_some(), &[Http]),
        ("pages", table.pages.is_some(), &[Http]),
        ("redirect", table.redirect.is_some(), &[Http]),
        ("headers", !table.headers.is_empty(), WITH_HEADERS),
        ("directory", table.directory.is_some(), FILES),
        ("file_name", table.file_name.is_some(), FILES),
        ("interval_s", table.interval_s.is_some(), WITH_INTERVAL),
        ("tls", table.tls.is_some(), &[Ftps]),
        ("time_zone", table.time_zone.is_some(), &[Ftps]),
        ("mlsd", table.mlsd.is_some(), &[Ftps]),
        ("ca_file", table.ca_file.is_some(), &[Ftps]),
        ("url", table.url.is_some(), &[Push]),
    ];
    for (key, is_set, transports) in keys {
        if is_set && !transports.contains(&table.transport) {
            let needed = TransportName::one_of(transports);
            return Err(at_vendor(format!("{key} needs {needed}")));
        }
    }
    Ok(())
}

fn required<'t, T>(table: &VendorTable, value: Option<&'t T>, key: &str) -> Result<&'t T, Problem> {
    value.ok_or_else(|| {
        let transport = TransportName::one_of(&[table.transport]);
        at_vendor(format!("{transport} needs {key}"))
    })
}

fn interval(table: &VendorTable) -> Duration {
    Duration::from_secs(table.interval_s.unwrap_or(10).max(1))
}

fn schedule(table: &VendorTable) -> Result<Schedule, Problem> {
    let name = required(table, table.file_name.as_ref(), "file_name")?;
    let example = as_of::pattern(name.get_ref(), Timestamp::UNIX_EPOCH, &TimeZone::UTC);
    if !example.is_ok_and(|name| !name.is_empty() && !name.contains('/')) {
        let problem = "file_name is not a name with a pattern of strftime, such as \"stock_%Y%m%d_%H%M%S.csv\"";
        return Err((Some(name.span()), problem.to_owned()));
    }
    Ok(Schedule {
        name: name.get_ref().clone(),
        interval: interval(table),
    })
}

fn http(table: &VendorTable) -> Result<Transport, Problem> {
    let listen = *required(table, table.listen.as_ref(), "listen")?;
    let path = table.path.clone().unwrap_or_else(|| "/stock".to_owned());
    if !path.starts_with('/') {
        return Err(at_vendor("path must start with /"));
    }
    if let Some(pages) = &table.pages
        && let Some(problem) = pages.get_ref().problem()
    {
        return Err((Some(pages.span()), problem));
    }
    if let Some(to) = &table.redirect
        && HeaderValue::from_str(to.get_ref()).is_err()
    {
        return Err((Some(to.span()), "redirect is not a URL".to_owned()));
    }
    Ok(Transport::Http(Box::new(HttpVendor {
        listen,
        path,
        auth: auth(table).cloned(),
        pages: table.pages.clone().map(Spanned::into_inner),
        redirect: table.redirect.clone().map(Spanned::into_inner),
    })))
}

fn auth(table: &VendorTable) -> Option<&Auth> {
    table.auth.as_ref().map(Spanned::get_ref)
}

#[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
fn server(table: &VendorTable, protocol: Box<dyn Protocol>) -> Result<Transport, Problem> {
    let directory = table.directory.clone().unwrap_or_else(|| "/".to_owned());
    Ok(Transport::Server(Box::new(FileServer {
        listen: *required(table, table.listen.as_ref(), "listen")?,
        directory,
        schedule: schedule(table)?,
        protocol,
    })))
}

#[cfg(not(all(
    feature = "sftp",
    feature = "ftps",
    feature = "bucket",
    feature = "push"
)))]
fn missing(transport: TransportName) -> Problem {
    let name = transport.as_str();
    at_vendor(format!(
        "transport is {name:?}, but this program was built without the feature {name}"
    ))
}

#[cfg(feature = "sftp")]
fn sftp(table: &VendorTable) -> Result<Transport, Problem> {
    let sftp = super::server::Sftp::new(auth(table));
    let sftp = sftp.map_err(|problem| (table.auth.as_ref().map(Spanned::span), problem))?;
    server(table, Box::new(sftp))
}

#[cfg(not(feature = "sftp"))]
fn sftp(_: &VendorTable) -> Result<Transport, Problem> {
    Err(missing(Sftp))
}

#[cfg(feature = "ftps")]
fn ftps(table: &VendorTable) -> Result<Transport, Problem> {
    let login = match auth(table) {
        Some(Auth::Password { user, password }) => Some((user.clone(), password.clone())),
        _ => None,
    };
    let ftps = super::server::Ftps {
        tls: table.tls.unwrap_or_default(),
        login,
        zone: table.time_zone.clone().unwrap_or_default().into(),
        has_mlsd: table.mlsd.unwrap_or(true),
        ca_file: required(table, table.ca_file.as_ref(), "ca_file")?.clone(),
    };
    server(table, Box::new(ftps))
}

#[cfg(not(feature = "ftps"))]
fn ftps(_: &VendorTable) -> Result<Transport, Problem> {
    Err(missing(Ftps))
}

#[cfg(feature = "bucket")]
fn bucket(table: &VendorTable) -> Result<Transport, Problem> {
    let directory = required(table, table.directory.as_ref(), "directory")?;
    if directory.starts_with('/') || directory.is_empty() {
        let problem = "directory must be the name of a bucket, or a bucket and a prefix such as \"feeds/daily\"";
        return Err(at_vendor(problem));
    }
    let bucket = super::server::Bucket::new(auth(table));
    server(table, Box::new(bucket))
}

#[cfg(not(feature = "bucket"))]
fn bucket(_: &VendorTable) -> Result<Transport, Problem> {
    Err(missing(Bucket))
}

#[cfg(feature = "push")]
fn push(table: &VendorTable) -> Result<Transport, Problem> {
    let url = required(table, table.url.as_ref(), "url")?;
    let is_http = url::Url::parse(url.get_ref()).is_ok_and(|url| url.scheme() == "http");
    if !is_http {
        let problem =
            "url is not a URL such as \"http://127.0.0.1:3000/api/v1/vendors/acme/reports\"";
        return Err((Some(url.span()), problem.to_owned()));
    }
    let token = match auth(table) {
        Some(Auth::Bearer { token }) => Some(token.clone()),
        _ => None,
    };
    Ok(Transport::Push(PushVendor {
        url: url.get_ref().clone(),
        token,
        interval: interval(table),
    }))
}

#[cfg(not(feature = "push"))]
fn push(_: &VendorTable) -> Result<Transport, Problem> {
    Err(missing(Push))
}
