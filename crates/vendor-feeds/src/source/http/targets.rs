//! The URLs that may be requested: a redirect, and a link to a page, may lead to the hosts that the settings name.

use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Url;
use url::Host;

use crate::excerpt::excerpt;
use crate::options::RedirectHost;
use crate::source::address::AddressRules;

/// Maximum length of a link, in bytes.
const MAX_LINK_BYTES: usize = 8 * 1024;

/// Why another URL is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The response is a redirect.
    Redirect,
    /// The page has a link to the next one.
    Page,
}

impl Step {
    fn subject(self) -> &'static str {
        match self {
            Self::Redirect => "the redirect",
            Self::Page => "the link to the next page",
        }
    }
}

/// The URLs that one source may request.
pub(super) struct Targets {
    first: Url,
    hosts: Vec<RedirectHost>,
    addresses: Arc<AddressRules>,
    /// A parameter that is a credential: a vendor may repeat it in a link.
    secret_param: Option<String>,
}

impl Targets {
    pub(super) fn new(
        first: Url,
        hosts: Vec<RedirectHost>,
        addresses: Arc<AddressRules>,
        secret_param: Option<String>,
    ) -> Self {
        Self {
            first,
            hosts,
            addresses,
            secret_param,
        }
    }

    /// The URL of the settings.
    pub(super) fn first(&self) -> &Url {
        &self.first
    }

    /// Whether a URL has the scheme, host and port of that of the settings: no other may receive a credential.
    pub(super) fn is_first_origin(&self, url: &Url) -> bool {
        url.origin() == self.first.origin()
    }

    /// The URL to which a response of `from` leads. The error is one line.
    pub(super) fn follow(&self, from: &Url, reference: &str, step: Step) -> Result<Url, String> {
        let subject = step.subject();
        if reference.len() > MAX_LINK_BYTES {
            return Err(format!("{subject} is longer than {MAX_LINK_BYTES} bytes"));
        }
        let mut url = from
            .join(reference)
            .map_err(|_| format!("{subject} of the host {} is not a URL", shown_host(from)))?;
        url.set_fragment(None);
        let host = shown_host(&url);
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!(
                "{subject} of the host {} has a scheme other than http and https, which source.redirect_hosts cannot allow",
                shown_host(from)
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "{subject} to the host {host} contains a user or a password, which only source.auth may state"
            ));
        }
        if from.scheme() == "https" && url.scheme() == "http" {
            return Err(format!(
                "{subject} to the host {host} leads from https to http, which source.redirect_hosts cannot allow"
            ));
        }
        if !self.names(&url) {
            return Err(format!(
                "{subject} leads to the host {host}, which source.redirect_hosts does not name"
            ));
        }
        self.check_address(&url)
            .map_err(|problem| format!("{subject} is refused: {problem}"))?;
        if let Some(param) = &self.secret_param {
            remove_param(&mut url, param);
        }
        Ok(url)
    }

    /// Checks the address in a URL, if it has one in place of a name. The error is one line.
    pub(super) fn check_address(&self, url: &Url) -> Result<(), String> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        let checked = self.addresses.check_literal(address);
        checked.map_err(|refused| refused.to_string())
    }

    /// Whether the settings name the host and the port of a URL. The host of their URL is there with its own port, and with
    /// the default port of the scheme.
    fn names(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        let is_default = url.port().is_none();
        let is_first = url.host() == self.first.host();
        if is_first && (is_default || port == self.first.port_or_known_default()) {
            return true;
        }
        let host = url.host().map(|host| host.to_owned());
        self.hosts.iter().any(|allowed| {
            host.as_ref() == Some(&allowed.host)
                && match allowed.port {
                    Some(allowed) => port == Some(allowed),
                    None => is_default,
                }
        })
    }
}

/// The host of a URL for messages, with its port if that is not the default.
pub(super) fn shown_host(url: &Url) -> String {
    let host = excerpt(url.host_str().unwrap_or_default());
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// Sets a parameter of the query in place of those of the same name; the others are not changed.
pub(super) fn set_param(url: &mut Url, name: &str, value: &str) {
    remove_param(url, name);
    url.query_pairs_mut().append_pair(name, value);
}

/// Removes the parameters of this name from the query; the others are not changed.
pub(super) fn remove_param(url: &mut Url, name: &str) {
    let Some(query) = url.query() else { return };
    let is_other = |part: &&str| {
        let mut pairs = url::form_urlencoded::parse(part.as_bytes());
        !pairs.any(|(found, _)| found == name)
    };
    let kept: Vec<&str> = query.split('&').filter(is_other).collect();
    let kept = kept.join("&");
    url.set_query((!kept.is_empty()).then_some(&kept));
}

#[cfg(test)]
mod tests;
