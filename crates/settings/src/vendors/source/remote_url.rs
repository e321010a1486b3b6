//! URLs of files on servers.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::fields;

/// The URL of a file on a server, and its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteUrl {
    pub(super) url: Url,
    /// The host, or the bucket.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// The path without percent-encoding, with a slash at its beginning.
    pub(super) path: String,
}

/// Parses a URL with this scheme. The error is a predicate, as in the errors of all settings.
pub(super) fn parse(text: &str, scheme: &str, example: &str) -> Result<RemoteUrl, String> {
    let expected =
        format!("a URL that starts with {scheme}:// and names a file, such as {example}");
    let url = Url::parse(text)
        // A string that is not a URL may still contain a password.
        .map_err(|_| format!("is not a URL, expected {expected}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "contains a user or a password, expected neither: source.auth states them".to_owned(),
        );
    }
    if url.scheme() != scheme {
        return Err(format!(
            "starts with {}:, expected {expected}",
            url.scheme()
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(
            "contains ? or #, expected %3F or %23 for such a character of a name".to_owned(),
        );
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    let decoded = percent_decode_str(url.path()).decode_utf8();
    let path = decoded.ok().filter(|path| {
        !host.is_empty()
            && path.starts_with('/')
            && !path.ends_with('/')
            && !path.contains(char::is_control)
    });
    let Some(path) = path else {
        return Err(format!("is {}, expected {expected}", fields::quoted(text)));
    };
    let path = path.into_owned();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    if directory.contains('*') {
        let text = fields::quoted(text);
        return Err(format!(
            "is {text}, expected * in the name of the file only"
        ));
    }
    let port = url.port();
    // An IPv6 address is in brackets.
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok(RemoteUrl {
        url,
        host,
        port,
        path,
    })
}

/// The path of a file on a server with a login: after `/~/` it is relative to the directory of the login.
pub(super) fn login_path(path: &str) -> String {
    path.strip_prefix("/~/").unwrap_or(path).to_owned()
}
