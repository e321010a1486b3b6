//! The options of the sources that need a login: SFTP, FTPS and buckets.

use ipnet::IpNet;
use reqwest::Url;
use secrecy::SecretString;

/// Options of an SFTP source.
#[derive(Debug, Clone)]
pub struct SftpOptions {
    /// Host name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// The path of the file, absolute or relative to the directory of the login. Its last component may contain `*`.
    pub path: String,
    /// SHA-256 fingerprint of the server's key, as `ssh-keygen -l` prints it: `SHA256:` and 43 characters of Base64.
    pub host_key: String,
    /// Name of the user.
    pub user: String,
    /// How the user logs in.
    pub login: SftpLogin,
    /// Networks in which the server may have an address although it is not public.
    pub allow_addresses: Vec<IpNet>,
}

/// How a user logs in to an SFTP server.
#[derive(Debug, Clone)]
pub enum SftpLogin {
    /// With a password.
    Password(SecretString),
    /// With a private key.
    Key {
        /// The content of the file of the key, in the format of OpenSSH or PEM.
        key: SecretString,
        /// The passphrase of the file.
        passphrase: Option<SecretString>,
    },
}

/// Options of an FTPS source.
#[derive(Debug, Clone)]
pub struct FtpsOptions {
    /// Host name or address of the server; its certificate must be valid for it.
    pub host: String,
    /// TCP port of the control connection.
    pub port: u16,
    /// The path of the file, absolute or relative to the directory of the login. Its last component may contain `*`.
    pub path: String,
    /// How TLS begins.
    pub tls: FtpsTls,
    /// Certificates in PEM: of authorities that the server's certificate must be signed by, or the server's own. `None`: the
    /// authorities of the system.
    pub authorities: Option<Vec<u8>>,
    /// Name of the time zone in which the server states modification times, in the IANA database. `None`: UTC.
    pub time_zone: Option<String>,
    /// Name of the user.
    pub user: String,
    /// Password of the user.
    pub password: SecretString,
    /// Networks in which the server may have an address although it is not public.
    pub allow_addresses: Vec<IpNet>,
}

/// How TLS begins on the control connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpsTls {
    /// With the command `AUTH TLS`.
    Explicit,
    /// With the connection.
    Implicit,
}

/// Options of a source in a bucket of an S3-compatible service.
#[derive(Debug, Clone)]
pub struct BucketOptions {
    /// Name of the bucket.
    pub bucket: String,
    /// The key of the object. Its last component, after the last `/`, may contain `*`.
    pub key: String,
    /// URL of the service; `None` is Amazon's in the region.
    pub endpoint: Option<Url>,
    /// Name of the region.
    pub region: String,
    /// The access key; `None` for a public bucket.
    pub access_key: Option<AccessKey>,
    /// Networks in which the server may have an address although it is not public.
    pub allow_addresses: Vec<IpNet>,
}

/// An access key of an S3-compatible service.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// The id of the key.
    pub id: String,
    /// The secret of the key.
    pub secret: SecretString,
}
