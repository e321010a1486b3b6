//! Tests of the files: errors, renewal, and files that are replaced one after the other.
#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tls_config::{
    ClientTls, ClientTlsOptions, Identity, TlsFileError, Verification, server_config,
};

struct Files {
    folder: TempDir,
}

impl Files {
    fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// Returns a certificate and its key.
fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

fn identity(certificate: &Path, key: &Path) -> Identity {
    Identity {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    }
}

fn client(roots: &Path, identity: Option<Identity>) -> ClientTls {
    ClientTls::new(ClientTlsOptions {
        verification: Verification::Full,
        root_certificates: Some(roots.to_owned()),
        identity,
    })
}

#[test]
fn error_names_the_unusable_file_and_quotes_none() {
    let files = Files::create();
    let (certificate, key) = pair();
    let certificate = files.write("tls.crt", &certificate);
    let key = files.write("tls.key", &key);
    assert!(server_config(identity(&certificate, &key)).is_ok());

    let missing = files.folder.path().join("none.pem");
    let garbage = files.write("garbage.pem", "-----BEGIN PRIVATE KEY-----\nhunter2!\n");
    let other_key = files.write("other.key", &pair().1);
    for (certificate, key, named, problem) in [
        (&missing, &key, &missing, "No such file"),
        (&certificate, &missing, &missing, "No such file"),
        (&key, &key, &key, "no certificate in PEM"),
        (&certificate, &certificate, &certificate, "no key in PEM"),
        (&certificate, &garbage, &garbage, "not well-formed PEM"),
        (
            &certificate,
            &other_key,
            &other_key,
            "cannot be used together",
        ),
    ] {
        let of_server = server_config(identity(certificate, key)).unwrap_err();
        let of_client = client(
            &files.write("ca.crt", &pair().0),
            Some(identity(certificate, key)),
        )
        .config()
        .unwrap_err();
        for error in [of_server, of_client] {
            let error = error.to_string();
            assert!(error.contains(&*named.to_string_lossy()), "{error}");
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    for (roots, problem) in [
        (&missing, "No such file"),
        (&key, "no root certificate in PEM"),
    ] {
        let error = client(roots, None).config().unwrap_err().to_string();
        assert!(
            error.contains("root certificate") && error.contains(problem),
            "{error}"
        );
        assert!(error.contains(&*roots.to_string_lossy()), "{error}");
    }
}

#[test]
fn unchanged_files_are_parsed_once_and_replaced_files_are_used() {
    let files = Files::create();
    let roots = files.write("ca.crt", &pair().0);
    let tls = client(&roots, None);
    let first = tls.config().unwrap();
    assert!(Arc::ptr_eq(&first, &tls.config().unwrap()));
    assert!(Arc::ptr_eq(&first, &tls.clone().config().unwrap()));
    files.write("ca.crt", &pair().0);
    let second = tls.config().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &tls.config().unwrap()));
}

#[test]
fn while_only_one_of_certificate_and_key_is_replaced_the_previous_pair_is_used() {
    let files = Files::create();
    let roots = files.write("ca.crt", &pair().0);
    let (certificate, key) = pair();
    let pair_of_files = identity(
        &files.write("a.crt", &certificate),
        &files.write("a.key", &key),
    );
    let tls = client(&roots, Some(pair_of_files));
    let first = tls.config().unwrap();
    let (certificate, key) = pair();
    files.write("a.crt", &certificate);
    assert!(Arc::ptr_eq(&first, &tls.config().unwrap()));
    files.write("a.key", &key);
    let second = tls.config().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    fs::remove_file(files.folder.path().join("a.key")).unwrap();
    assert!(Arc::ptr_eq(&second, &tls.config().unwrap()));
}

#[test]
fn host_must_be_a_name_or_an_address() {
    for host in ["db.example", "127.0.0.1", "::1", "db_1"] {
        assert!(ClientTls::server_name(host).is_ok(), "{host}");
    }
    let error = ClientTls::server_name("a b").unwrap_err();
    assert!(matches!(error, TlsFileError::Configuration(_)), "{error}");
}
