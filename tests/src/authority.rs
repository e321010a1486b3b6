//! A certificate authority for tests.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// A certificate authority that issues certificates of servers and clients.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// Creates an authority.
    #[must_use]
    pub fn create(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Returns its own certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for these host names and addresses.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue("server", names, 4_000)
    }

    /// Issues a certificate that expired in 2020.
    #[must_use]
    pub fn expired(&self, common_name: &str, names: &[&str]) -> Issued {
        self.issue(common_name, names, 2_020)
    }

    /// Issues a certificate for a client with this common name.
    #[must_use]
    pub fn client(&self, common_name: &str) -> Issued {
        self.issue(common_name, &[], 4_000)
    }

    fn issue(&self, common_name: &str, names: &[&str], until: i32) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.not_before = date_time_ymd(2_000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Issued {
    /// Writes `NAME.crt` and `NAME.key` into a folder. Returns their paths.
    #[allow(clippy::must_use_candidate)] // Some tests only replace the files.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let path = |extension| folder.join(format!("{name}.{extension}"));
        std::fs::write(path("crt"), &self.certificate).unwrap();
        std::fs::write(path("key"), &self.key).unwrap();
        (path("crt"), path("key"))
    }
}
