//! The addresses that may be connected to. A name, or a redirect, that a vendor controls must not lead this process to a
//! service that is reachable from its machine only.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;
use url::Host;

/// The name that is reserved for this machine (RFC 6761).
const LOCALHOST: &str = "localhost";

/// IPv4 networks that are not public, in addition to those that the standard library knows.
const SPECIAL_V4: [(Ipv4Net, &str); 6] = [
    (v4([0, 0, 0, 0], 8), "an unspecified"),
    (v4([100, 64, 0, 0], 10), "a shared (CGNAT)"),
    // Of Azure, in a public network.
    (v4([168, 63, 129, 16], 32), "a metadata"),
    (v4([192, 0, 0, 0], 24), "a reserved"),
    (v4([198, 18, 0, 0], 15), "a benchmarking"),
    (v4([240, 0, 0, 0], 4), "a reserved"),
];

/// IPv6 networks that are not public, in addition to those that the standard library knows.
const SPECIAL_V6: [(Ipv6Net, &str); 8] = [
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a local NAT64"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a discard-only"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "a reserved"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "a documentation"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "a segment routing"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a site-local"),
    // IPv4-compatible addresses, which are deprecated.
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "a reserved"),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    let address = Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
    Ipv6Net::new_assert(address, prefix)
}

/// Returns the kind of an address that is not public, with an article; `None` for a public one.
fn special_kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_kind_v4(address),
        IpAddr::V6(address) => special_kind_v6(address),
    }
}

fn special_kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    let known = [
        (address.is_loopback(), "a loopback"),
        // Includes 169.254.169.254, the metadata of most clouds.
        (address.is_link_local(), "a link-local"),
        (address.is_private(), "a private"),
        (address.is_multicast(), "a multicast"),
        (address.is_broadcast(), "a broadcast"),
        (address.is_documentation(), "a documentation"),
    ];
    let special = SPECIAL_V4.iter();
    let special = special.map(|(network, kind)| (network.contains(&address), *kind));
    let mut kinds = known.into_iter().chain(special);
    kinds.find_map(|(is_in, kind)| is_in.then_some(kind))
}

fn special_kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(embedded) = embedded_v4(address) {
        return special_kind_v4(embedded);
    }
    let known = [
        (address.is_loopback(), "a loopback"),
        (address.is_unspecified(), "an unspecified"),
        (address.is_unicast_link_local(), "a link-local"),
        // Includes fd00:ec2::254, the metadata of AWS.
        (address.is_unique_local(), "a unique-local"),
        (address.is_multicast(), "a multicast"),
    ];
    let special = SPECIAL_V6.iter();
    let special = special.map(|(network, kind)| (network.contains(&address), *kind));
    let mut kinds = known.into_iter().chain(special);
    kinds.find_map(|(is_in, kind)| is_in.then_some(kind))
}

/// Returns the IPv4 address that a connection to this address reaches: of a mapped or translated address, of NAT64
/// (RFC 6052), of 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// An address that may not be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) struct RefusedAddress {
    host: String,
    address: IpAddr,
    kind: &'static str,
}

impl fmt::Display for RefusedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            address,
            kind,
        } = self;
        let host = crate::excerpt::excerpt(host);
        let address_text = address.to_string();
        if host.trim_matches(['[', ']']) == address_text {
            write!(f, "{address} is {kind} address")?;
        } else {
            write!(f, "{host} has {kind} address, {address}")?;
        }
        f.write_str(" (source.allow_addresses does not name it)")
    }
}

/// The addresses that one source may connect to.
#[derive(Debug, Clone, Default)]
pub(crate) struct AddressRules {
    allowed: Vec<IpNet>,
    /// Literal addresses in URLs of the settings.
    named: Vec<IpAddr>,
    /// Whether a URL of the settings has the host `localhost`.
    names_localhost: bool,
}

impl AddressRules {
    /// `allowed` are networks that a host may have an address in although they are not public. `named` are the hosts of
    /// the settings' own URLs: a literal address, and `localhost`, are allowed by being there.
    pub(crate) fn new(allowed: &[IpNet], named: &[Host]) -> Self {
        let addresses = named.iter().filter_map(|host| match host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        });
        let is_localhost = |host: &Host| matches!(host, Host::Domain(name) if name == LOCALHOST);
        Self {
            allowed: allowed.to_vec(),
            named: addresses.collect(),
            names_localhost: named.iter().any(is_localhost),
        }
    }

    /// Checks an address in a URL.
    pub(crate) fn check_literal(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        if self.named.contains(&address) {
            return Ok(());
        }
        self.check(&address.to_string(), address)
    }

    /// Checks an address of a name.
    pub(crate) fn check_resolved(&self, name: &str, address: IpAddr) -> Result<(), RefusedAddress> {
        if self.names_localhost && name == LOCALHOST && address.to_canonical().is_loopback() {
            return Ok(());
        }
        self.check(name, address)
    }

    fn check(&self, host: &str, address: IpAddr) -> Result<(), RefusedAddress> {
        let Some(kind) = special_kind(address) else {
            return Ok(());
        };
        let embedded = match address {
            IpAddr::V6(address) => embedded_v4(address).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let is_allowed = |address: IpAddr| self.allowed.iter().any(|net| net.contains(&address));
        if is_allowed(address) || embedded.is_some_and(is_allowed) {
            return Ok(());
        }
        Err(RefusedAddress {
            host: host.to_owned(),
            address,
            kind,
        })
    }

    /// Resolves a name to the addresses that may be connected to; the ports are 0. If there are others only, the error is a
    /// [`RefusedAddress`].
    pub(crate) async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let (mut allowed, mut refused) = (Vec::new(), None);
        for address in tokio::net::lookup_host((name, 0)).await? {
            match self.check_resolved(name, address.ip()) {
                Ok(()) => allowed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(refused) if allowed.is_empty() => Err(io::Error::other(refused)),
            _ => Ok(allowed),
        }
    }
}

#[cfg(test)]
mod tests;
