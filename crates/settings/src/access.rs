//! Settings of access to the API: keys, hosts, origins, rate limits and TLS.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use api_keys::{ApiKey, KeyHash, MAX_NAME_CHARS, Role};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use crate::fields::{self, quoted};

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
    roles: Vec<Role>,
    #[serde(deserialize_with = "hash")]
    hash: KeyHash,
}

impl From<Entry> for ApiKey {
    fn from(entry: Entry) -> Self {
        Self {
            name: entry.name,
            hash: entry.hash,
            roles: entry.roles,
        }
    }
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

struct RoleField(Role);

impl<'de> Deserialize<'de> for RoleField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = Role::ALL.map(|role| (role.name(), role));
        fields::one_of(deserializer, &roles).map(Self)
    }
}

fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Role>, D::Error> {
    let roles: Vec<RoleField> = Vec::deserialize(deserializer)?;
    if roles.is_empty() {
        return Err(D::Error::custom(
            "is empty, expected customer, operator, or both",
        ));
    }
    Ok(roles.into_iter().map(|RoleField(role)| role).collect())
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

/// Reads a list of keys; in a variable, the entries are separated by commas.
pub(crate) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ApiKey>, D::Error> {
    struct Keys;

    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<ApiKey>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of API keys")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split(',')
                .map(|entry| parse_entry(entry.trim()))
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some(entry) = items.next_element::<Entry>()? {
                keys.push(entry.into());
            }
            Ok(keys)
        }
    }

    deserializer.deserialize_any(Keys)
}

/// Parses a key from a variable, `name:role:hash` with `+` between roles. The error does not quote the entry, any part of
/// which may be the key itself.
fn parse_entry<E: Error>(entry: &str) -> Result<ApiKey, E> {
    let invalid = || {
        E::custom(
            "has an entry that is not name:role:hash, expected entries such as shop:customer:sha256:… or \
             desk:customer+operator:sha256:…",
        )
    };
    let mut parts = entry.splitn(3, ':');
    let (Some(name), Some(roles), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid());
    };
    let roles: Option<Vec<Role>> = roles.split('+').map(Role::from_word).collect();
    match roles {
        Some(roles) if api_keys::is_name(name) => Ok(ApiKey {
            name: name.to_owned(),
            roles,
            hash: parse_hash(hash)?,
        }),
        _ => Err(invalid()),
    }
}

/// The first conflict between keys: the path of the setting and the problem.
pub(crate) fn conflict(keys: &[ApiKey]) -> Option<(String, String)> {
    keys.iter().enumerate().find_map(|(index, key)| {
        let earlier = &keys[..index];
        if earlier.iter().any(|other| other.hash == key.hash) {
            let problem = "is also the hash of another key, expected a unique key".to_owned();
            return Some((format!("api_keys[{index}].hash"), problem));
        }
        let same = |role: &Role, other: &ApiKey| key.roles.contains(role) == other.roles.contains(role);
        let other = earlier.iter().find(|other| {
            other.name == key.name && !Role::ALL.iter().all(|role| same(role, other))
        })?;
        let problem = format!(
            "differ from the roles of the other key named {:?}, expected the same roles: keys of the same name belong to one client",
            other.name
        );
        Some((format!("api_keys[{index}].roles"), problem))
    })
}

/// Reads a list of hosts; in a variable, the hosts are separated by commas.
pub(crate) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Host>, D::Error> {
    struct Hosts;

    impl<'de> Visitor<'de> for Hosts {
        type Value = Vec<Host>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of hosts")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split(',')
                .map(|host| parse_host(host.trim()))
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut hosts = Vec::new();
            while let Some(HostField(host)) = items.next_element()? {
                hosts.push(host);
            }
            Ok(hosts)
        }
    }

    struct HostField(Host);

    impl<'de> Deserialize<'de> for HostField {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            parse_host(&fields::string(deserializer)?).map(Self)
        }
    }

    deserializer.deserialize_any(Hosts)
}

/// Parses a host. An IPv6 address is in brackets, as in the `Host` header.
fn parse_host<E: Error>(text: &str) -> Result<Host, E> {
    // `*` would parse as a domain name that matches no host.
    let host = Host::parse(text).ok().filter(|_| !text.contains('*'));
    host.ok_or_else(|| {
        E::custom(format!(
            "is {}, expected a host without a port, such as shop.example, 10.1.2.3 or [fd00::1]",
            quoted(text)
        ))
    })
}

/// Reads a list of web origins; in a variable, the origins are separated by commas.
pub(crate) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Origins;

    impl<'de> Visitor<'de> for Origins {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of origins")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split(',')
                .map(|origin| parse_origin(origin.trim()))
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut origins = Vec::new();
            while let Some(Origin(origin)) = items.next_element()? {
                origins.push(origin);
            }
            Ok(origins)
        }
    }

    struct Origin(String);

    impl<'de> Deserialize<'de> for Origin {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            parse_origin(&fields::string(deserializer)?).map(Self)
        }
    }

    deserializer.deserialize_any(Origins)
}

/// Parses an origin. Only the spelling that browsers send is accepted, because origins are compared byte by byte.
fn parse_origin<E: Error>(text: &str) -> Result<String, E> {
    const EXPECTED: &str =
        "an origin as browsers send it, such as https://shop.example or http://localhost:8080";
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    match url.map(|url| url.origin().ascii_serialization()) {
        Some(origin) if origin == text => Ok(origin),
        _ => Err(E::custom(format!(
            "is {}, expected {EXPECTED}",
            quoted(text)
        ))),
    }
}
