//! Messages for failed handshakes: the cause, and the remedy.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::ClientTlsOptions;

/// Maximum characters of names from a server's certificate in a message.
const MAX_NAME_CHARS: usize = 200;

/// Returns the TLS error among an error and its causes.
#[must_use]
pub fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an I/O error is the source of the error in it.
        let inner = error.downcast_ref().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

/// Describes why TLS with a server failed, and what to change.
#[must_use]
pub fn explain(error: &Error, options: &ClientTlsOptions) -> String {
    match error {
        Error::InvalidCertificate(problem) => invalid_certificate(problem, options),
        Error::AlertReceived(alert) => refused(*alert, options),
        Error::InvalidMessage(_) => {
            "the program that listens there does not speak TLS on this port: check host and port"
                .to_owned()
        }
        Error::PeerIncompatible(_) => format!(
            "the server supports no version or algorithm of TLS that this program does ({error}): enable TLS 1.2 or 1.3 on the server"
        ),
        _ => format!("the TLS handshake failed: {error}"),
    }
}

fn invalid_certificate(problem: &CertificateError, options: &ClientTlsOptions) -> String {
    match problem {
        CertificateError::UnknownIssuer => match &options.root_certificates {
            Some(path) => format!(
                "no authority in the root certificate file {} has signed the server's certificate: add the certificate of its authority",
                path.display()
            ),
            None => "no authority in the trust store of the system has signed the server's certificate: set a file with \
                     the root certificate of its authority"
                .to_owned(),
        },
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "the server's certificate expired at {}: renew it on the server",
            instant(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid before {}: check the clocks of both machines",
            instant(*not_before)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "the server's certificate is for {}, not for {}: connect to the server by a name of its certificate, or issue one \
             for this name",
            names(presented),
            expected.to_str()
        ),
        _ => format!(
            "the server's certificate is invalid: {}: replace it on the server",
            Error::InvalidCertificate(problem.clone())
        ),
    }
}

/// Describes the refusal of a server. A server that requires a client certificate sends one of several alerts if it gets none.
fn refused(alert: AlertDescription, options: &ClientTlsOptions) -> String {
    let may_be_about_the_client = matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    );
    match &options.identity {
        _ if !may_be_about_the_client => {
            format!("the server ended the TLS handshake with the alert {alert:?}: see its log")
        }
        Some(identity) => format!(
            "the server refused the client certificate {} with the alert {alert:?}: use one that an authority of the server \
             has signed and that has not expired",
            display(&identity.certificate)
        ),
        None => format!(
            "the server requires a client certificate (alert {alert:?}), and none is set: set certificate and key of the client"
        ),
    }
}

fn display(path: &Path) -> String {
    log_text::one_line(&path.display().to_string())
}

fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name".to_owned();
    }
    let names: Vec<String> = presented.iter().map(|name| presented_name(name)).collect();
    log_text::excerpt(&names.join(", "), MAX_NAME_CHARS)
}

/// Returns the name in the library's notation, such as `DnsName("localhost")`.
fn presented_name(name: &str) -> String {
    let quoted = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    quoted.unwrap_or(name).trim_matches('"').to_owned()
}

fn instant(instant: UnixTime) -> String {
    let seconds = i64::try_from(instant.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|instant| instant.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after 1970"))
}
