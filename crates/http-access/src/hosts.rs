//! The host that a request names: the authority of its target, or its `Host` header (RFC 9112, section 3.2).

use std::net::IpAddr;

use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::HOST;
use url::Host;

/// The hosts that requests may name.
#[derive(Debug, Clone)]
pub struct HostRule {
    /// The allowed hosts in addition to loopback; `None` allows every host.
    allowed: Option<Vec<Host>>,
}

/// Why a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRefusal {
    /// The request does not name exactly one valid host: 400.
    Malformed,
    /// The request names a host that is not allowed: 421.
    Foreign,
}

impl HostRule {
    /// Without keys, loopback and the `allowed` hosts are served. With keys, every host is served unless `allowed` is not
    /// empty.
    #[must_use]
    pub fn new(allowed: &[Host], has_keys: bool) -> Self {
        let any = has_keys && allowed.is_empty();
        Self {
            allowed: (!any).then(|| allowed.to_vec()),
        }
    }

    /// Checks the host that a request names. Only an HTTP/1.0 request may omit the host; browsers do not send HTTP/1.0.
    ///
    /// # Errors
    /// [`HostRefusal`].
    pub fn check(&self, request: &RequestHead) -> Result<(), HostRefusal> {
        let mut headers = request.headers.get_all(HOST);
        let header = headers.next();
        if headers.next().is_some() || (header.is_none() && request.version != Version::HTTP_10) {
            return Err(HostRefusal::Malformed);
        }
        let Some(allowed) = &self.allowed else {
            return Ok(());
        };
        let named = match (request.uri.authority(), header) {
            // The target takes precedence over the header.
            (Some(authority), _) => authority.as_str(),
            (None, Some(header)) => header.to_str().map_err(|_| HostRefusal::Malformed)?,
            (None, None) => return Ok(()),
        };
        if is_served(named, allowed)? {
            Ok(())
        } else {
            Err(HostRefusal::Foreign)
        }
    }
}

impl HostRule {
    /// Whether a web page of this origin is served from a host that requests may name.
    #[must_use]
    pub fn serves_origin(&self, origin: &str) -> bool {
        let Some(allowed) = &self.allowed else {
            return true;
        };
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| is_served(host, allowed) == Ok(true))
    }
}

fn is_served(named: &str, allowed: &[Host]) -> Result<bool, HostRefusal> {
    let name = without_port(named.trim()).ok_or(HostRefusal::Malformed)?;
    // Fast path: most requests name one of these.
    if matches!(name, "127.0.0.1" | "localhost") {
        return Ok(true);
    }
    // Clients send an empty host for a target without an authority.
    if name.is_empty() {
        return Ok(false);
    }
    let host = Host::parse(name).map_err(|_| HostRefusal::Malformed)?;
    Ok(is_loopback(&host) || allowed.iter().any(|allowed| is_same(allowed, &host)))
}

/// Returns the host without its port. Every port is accepted, because ports may be forwarded.
fn without_port(named: &str) -> Option<&str> {
    let end = match named.strip_prefix('[') {
        Some(_) => named.find(']')? + 1,
        None => named.find(':').unwrap_or(named.len()),
    };
    let (host, port) = named.split_at(end);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_well_formed = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    is_well_formed.then_some(host)
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).to_canonical().is_loopback(),
        // RFC 6761, section 6.3: names below `localhost` resolve to loopback.
        Host::Domain(name) => {
            let name = without_dot(name);
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

fn is_same(allowed: &Host, named: &Host) -> bool {
    match (allowed, named) {
        (Host::Domain(allowed), Host::Domain(named)) => without_dot(allowed) == without_dot(named),
        _ => allowed == named,
    }
}

/// Removes the trailing dot of a fully qualified name.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::*;

    fn request(version: Version, target: &str, hosts: &[&[u8]]) -> RequestHead {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host).unwrap());
        }
        let mut head = RequestHead::default();
        head.version = version;
        head.uri = target.parse().unwrap();
        head.headers = headers;
        head
    }

    fn check(rule: &HostRule, host: &str) -> Result<(), HostRefusal> {
        rule.check(&request(Version::HTTP_11, "/", &[host.as_bytes()]))
    }

    fn without_keys(allowed: &[&str]) -> HostRule {
        let allowed: Vec<Host> = allowed
            .iter()
            .map(|host| Host::parse(host).unwrap())
            .collect();
        HostRule::new(&allowed, false)
    }

    #[test]
    fn loopback_is_served_in_every_form_and_on_every_port() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:3000",
            "127.1.2.3:80",
            "127.1",
            "localhost",
            "LocalHost:3000",
            "localhost.",
            "localhost:",
            "shop.localhost:3000",
            "[::1]",
            "[::1]:3000",
            "[0:0::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(check(&without_keys(&[]), host), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_host_is_foreign_unless_allowed() {
        for host in [
            "attacker.example",
            "attacker.example:3000",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "notlocalhost",
            "0.0.0.0:3000",
            "10.0.0.1",
            "[::]:3000",
            "[fe80::1]",
            "",
        ] {
            let refused = check(&without_keys(&["other.example"]), host);
            assert_eq!(refused, Err(HostRefusal::Foreign), "{host}");
        }
        let rule = without_keys(&["shop.example", "10.0.0.1", "[fd00::1]"]);
        for host in [
            "shop.example",
            "SHOP.example.:443",
            "10.0.0.1:80",
            "[fd00:0::1]:80",
            "localhost",
        ] {
            assert_eq!(check(&rule, host), Ok(()), "{host}");
        }
        assert_eq!(check(&rule, "a.shop.example"), Err(HostRefusal::Foreign));
    }

    #[test]
    fn invalid_or_ambiguous_host_is_malformed() {
        for host in [
            "local host",
            "user@localhost",
            "localhost/x",
            "localhost:http",
            "localhost:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[localhost]",
        ] {
            let refused = check(&without_keys(&[]), host);
            assert_eq!(refused, Err(HostRefusal::Malformed), "{host}");
        }
        let rule = without_keys(&[]);
        let none: &[&[u8]] = &[];
        for hosts in [none, &[b"localhost", b"localhost"], &[b"\xff"]] {
            let refused = rule.check(&request(Version::HTTP_11, "/", hosts));
            assert_eq!(refused, Err(HostRefusal::Malformed), "{hosts:?}");
        }
    }

    #[test]
    fn authority_of_the_target_takes_precedence() {
        let rule = without_keys(&[]);
        let checked =
            |target, host: &str| rule.check(&request(Version::HTTP_11, target, &[host.as_bytes()]));
        assert_eq!(checked("http://localhost:1/x", "attacker.example"), Ok(()));
        assert_eq!(
            checked("http://attacker.example/x", "localhost"),
            Err(HostRefusal::Foreign)
        );
    }

    #[test]
    fn origin_is_served_if_its_host_is() {
        let rule = without_keys(&["shop.example"]);
        for (origin, served) in [
            ("http://localhost:8080", true),
            ("https://127.0.0.1", true),
            ("http://[::1]:3000", true),
            ("https://shop.example", true),
            ("https://attacker.example", false),
            ("http://localhost.attacker.example", false),
            ("file://localhost", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(rule.serves_origin(origin), served, "{origin}");
        }
    }

    #[test]
    fn http_1_0_may_omit_the_host_but_not_name_a_foreign_one() {
        let rule = without_keys(&[]);
        assert_eq!(rule.check(&request(Version::HTTP_10, "/", &[])), Ok(()));
        let foreign = rule.check(&request(Version::HTTP_10, "/", &[b"attacker.example"]));
        assert_eq!(foreign, Err(HostRefusal::Foreign));
    }

    #[test]
    fn with_keys_every_host_is_served_unless_hosts_are_configured() {
        let rule = HostRule::new(&[], true);
        assert_eq!(check(&rule, "shop.example"), Ok(()));
        assert_eq!(check(&rule, "local host"), Ok(()));
        let none = rule.check(&request(Version::HTTP_11, "/", &[]));
        assert_eq!(none, Err(HostRefusal::Malformed));
        let rule = HostRule::new(&[Host::parse("shop.example").unwrap()], true);
        assert_eq!(check(&rule, "shop.example"), Ok(()));
        assert_eq!(check(&rule, "127.0.0.1"), Ok(()));
        assert_eq!(check(&rule, "other.example"), Err(HostRefusal::Foreign));
    }
}
