//! Settings of access to the API: keys, hosts, origins, rate limits and TLS.

use std::path::PathBuf;
use std::time::Duration;

use api_keys::{ApiKey, Grant, KeyHash, MAX_NAME_CHARS, Role, VENDOR_ROLE};
use domain::identifiers::VendorId;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use strum::IntoEnumIterator as _;
use url::{Host, Url};

use crate::fields::{self, List, quoted};

/// Rate limit of one client.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct RateLimitSettings {
    /// Maximum number of requests in `per`; 0 is no limit.
    #[serde(deserialize_with = "fields::integer::<_, _, 0, 1_000_000>")]
    pub requests: u32,
    /// Period of `requests`.
    #[serde(deserialize_with = "fields::duration::<_, 1_000, 86_400_000>")]
    pub per: Duration,
}

/// The files for TLS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub struct TlsSettings {
    /// Certificate chain in PEM: the server's certificate first, then the intermediate certificates.
    #[serde(deserialize_with = "fields::path")]
    pub certificate: PathBuf,
    /// The private key of the first certificate, in PEM.
    #[serde(deserialize_with = "fields::path")]
    pub key: PathBuf,
}

/// One entry of `[[api_keys]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
struct Entry {
    #[serde(deserialize_with = "name")]
    name: String,
    #[serde(deserialize_with = "roles")]
    roles: Vec<EntryRole>,
    #[serde(default, deserialize_with = "vendor")]
    vendor: Option<VendorId>,
    #[serde(deserialize_with = "hash")]
    hash: KeyHash,
}

/// A role as the settings name it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EntryRole {
    Client(Role),
    Vendor,
}

impl Entry {
    fn check<E: Error>(self) -> Result<ApiKey, E> {
        let is_of_vendor = self.roles.contains(&EntryRole::Vendor);
        let roles: Vec<Role> = self
            .roles
            .iter()
            .filter_map(|role| match role {
                EntryRole::Client(role) => Some(*role),
                EntryRole::Vendor => None,
            })
            .collect();
        let grant = match (is_of_vendor, self.vendor) {
            (false, None) => Grant::Roles(roles),
            (true, Some(vendor_id)) if roles.is_empty() => Grant::Vendor(vendor_id),
            (true, _) if !roles.is_empty() => {
                return Err(E::custom(
                    "roles has vendor and another role, expected vendor alone: such a key pushes reports and may do nothing else",
                ));
            }
            (true, _) => {
                return Err(E::custom(
                    "vendor is missing, expected the id of the vendor whose reports the key pushes, as roles is [\"vendor\"]",
                ));
            }
            (false, Some(_)) => {
                return Err(E::custom(
                    "vendor is set, but roles is not [\"vendor\"], expected that role or no vendor",
                ));
            }
        };
        Ok(ApiKey {
            name: self.name,
            hash: self.hash,
            grant,
        })
    }
}

fn vendor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<VendorId>, D::Error> {
    fields::vendor_id(deserializer).map(Some)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = fields::string(deserializer)?;
    if api_keys::is_name(&text) {
        return Ok(text);
    }
    Err(D::Error::custom(format!(
        "is {}, expected a name of 1 to {MAX_NAME_CHARS} letters, digits, and - _ .",
        quoted(&text)
    )))
}

impl<'de> Deserialize<'de> for EntryRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = Role::iter().map(|role| (role.into(), Self::Client(role)));
        let roles: Vec<(&str, Self)> = roles.chain([(VENDOR_ROLE, Self::Vendor)]).collect();
        fields::one_of(deserializer, &roles)
    }
}

fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EntryRole>, D::Error> {
    let roles: Vec<EntryRole> = Vec::deserialize(deserializer)?;
    if roles.is_empty() {
        return Err(D::Error::custom(
            "is empty, expected customer, operator, or both; or vendor alone",
        ));
    }
    Ok(roles)
}

/// The error does not quote the value, which may be the key itself.
fn parse_hash<E: Error>(text: &str) -> Result<KeyHash, E> {
    KeyHash::parse(text).map_err(|error| {
        E::custom(format!(
            "{error}, expected the hash that `order-aggregator-admin api-key new` prints with a key"
        ))
    })
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyHash, D::Error> {
    parse_hash(&fields::secret_string(deserializer)?)
}

/// API keys.
pub(crate) struct Keys;

impl List for Keys {
    type Item = ApiKey;

    const EXPECTED: &'static str = "a list of API keys";

    fn parse<E: Error>(text: &str) -> Result<ApiKey, E> {
        parse_entry(text)
    }

    fn item<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiKey, D::Error> {
        Entry::deserialize(deserializer)?.check()
    }
}

/// Parses a key from a variable, `name:role:hash` with `+` between roles, or `name:vendor=id:hash`. The error does not quote
/// the entry, any part of which may be the key itself.
fn parse_entry<E: Error>(entry: &str) -> Result<ApiKey, E> {
    let invalid = || {
        E::custom(
            "has an entry that is not name:role:hash, expected entries such as shop:customer:sha256:…, \
             desk:customer+operator:sha256:… or acme-push:vendor=acme:sha256:…",
        )
    };
    let mut parts = entry.splitn(3, ':');
    let (Some(name), Some(roles), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid());
    };
    match parse_grant(roles) {
        Some(grant) if api_keys::is_name(name) => Ok(ApiKey {
            name: name.to_owned(),
            grant,
            hash: parse_hash(hash)?,
        }),
        _ => Err(invalid()),
    }
}

fn parse_grant(text: &str) -> Option<Grant> {
    let vendor_id = text
        .strip_prefix(VENDOR_ROLE)
        .and_then(|rest| rest.strip_prefix('='));
    if let Some(vendor_id) = vendor_id {
        return VendorId::parse(vendor_id).ok().map(Grant::Vendor);
    }
    let roles: Option<Vec<Role>> = text.split('+').map(|role| role.parse().ok()).collect();
    roles.map(Grant::Roles)
}

/// The first conflict between keys, or of a key with the vendors that push their reports: the path of the setting and the
/// problem.
pub(crate) fn conflict(keys: &[ApiKey], push_vendors: &[&VendorId]) -> Option<(String, String)> {
    keys.iter().enumerate().find_map(|(index, key)| {
        let earlier = &keys[..index];
        if earlier.iter().any(|other| other.hash == key.hash) {
            let problem = "is also the hash of another key, expected a unique key".to_owned();
            return Some((format!("api_keys[{index}].hash"), problem));
        }
        if let Some(vendor_id) = key.vendor().filter(|id| !push_vendors.contains(id)) {
            let problem = format!(
                "is {:?}, expected the id of a vendor in [[vendors]] whose source.type is \"push\"",
                vendor_id.as_str()
            );
            return Some((format!("api_keys[{index}].vendor"), problem));
        }
        let other = earlier
            .iter()
            .find(|other| other.name == key.name && !other.grant.equals(&key.grant))?;
        let problem = format!(
            "differ from the roles of the other key named {:?}, expected the same roles: keys of the same name belong to one client",
            other.name
        );
        Some((format!("api_keys[{index}].roles"), problem))
    })
}

/// Hosts. An IPv6 address is in brackets, as in the `Host` header.
pub(crate) struct Hosts;

impl List for Hosts {
    type Item = Host;

    const EXPECTED: &'static str = "a list of hosts";

    fn parse<E: Error>(text: &str) -> Result<Host, E> {
        // `*` would parse as a domain name that matches no host.
        let host = Host::parse(text).ok().filter(|_| !text.contains('*'));
        host.ok_or_else(|| {
            E::custom(format!(
                "is {}, expected a host without a port, such as shop.example, 10.1.2.3 or [fd00::1]",
                quoted(text)
            ))
        })
    }
}

/// Web origins. Only the spelling that browsers send is accepted, because origins are compared byte by byte.
pub(crate) struct Origins;

impl List for Origins {
    type Item = String;

    const EXPECTED: &'static str = "a list of origins";

    fn parse<E: Error>(text: &str) -> Result<String, E> {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        match url.map(|url| url.origin().ascii_serialization()) {
            Some(origin) if origin == text => Ok(origin),
            _ => Err(E::custom(format!(
                "is {}, expected an origin as browsers send it, such as https://shop.example or http://localhost:8080",
                quoted(text)
            ))),
        }
    }
}
