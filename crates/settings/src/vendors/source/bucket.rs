//! `[vendors.source]` with the type `bucket`.

use ipnet::IpNet;
use url::Url;

use super::super::{Problem, problem};
use super::auth::{AuthTable, AuthType, required};
use super::remote_url;
use super::secret::SecretSource;

const DEFAULT_REGION: &str = "us-east-1";

/// A report in a bucket of an S3-compatible service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// The URL. Its query is the endpoint, if there is one: buckets of two services may have the same name.
    pub url: Url,
    /// Name of the bucket.
    pub bucket: String,
    /// The key of the object. Its last component, after the last `/`, may contain `*`.
    pub key: String,
    /// URL of the service. `None`: Amazon's in the region.
    pub endpoint: Option<Url>,
    /// Name of the region.
    pub region: String,
    /// The access key. `None`: the bucket is public.
    pub access_key: Option<AccessKeySettings>,
    /// Networks in which the server may have an address although it is not public.
    pub allow_addresses: Vec<IpNet>,
}

/// An access key of an S3-compatible service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeySettings {
    /// The id of the key.
    pub id: String,
    /// The secret of the key.
    pub secret: SecretSource,
}

impl BucketSettings {
    pub(super) fn check(
        url: &str,
        endpoint: Option<&str>,
        region: Option<String>,
        auth: Option<AuthTable>,
    ) -> Result<Self, Problem> {
        let example = "s3://bucket/out/stock_*.csv";
        let remote =
            remote_url::parse(url, "s3", example).map_err(|text| problem("source.url", text))?;
        if remote.port.is_some() {
            let text = "contains a port, expected the name of a bucket: source.endpoint states the service";
            return Err(problem("source.url", text));
        }
        let endpoint = endpoint.map(parse_endpoint).transpose()?;
        let mut url = remote.url;
        url.set_query(endpoint.as_ref().map(Url::as_str));
        let access_key = auth
            .map(|auth| {
                auth.check(&[AuthType::AccessKey])?;
                let id = required("id", auth.id)?;
                let secret = SecretSource::require("secret", auth.secret_env, auth.secret_file)?;
                Ok::<_, Problem>(AccessKeySettings { id, secret })
            })
            .transpose()?;
        Ok(Self {
            url,
            bucket: remote.host,
            key: remote.path.trim_start_matches('/').to_owned(),
            endpoint,
            region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            access_key,
            allow_addresses: Vec::new(),
        })
    }
}

fn parse_endpoint(text: &str) -> Result<Url, Problem> {
    const EXPECTED: &str =
        "a URL that starts with https:// or http://, without user, password, ? and #";
    let url = Url::parse(text).ok();
    let is_valid = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    // The text is not quoted: it may contain a password.
    let url = url.filter(is_valid);
    url.ok_or_else(|| {
        problem(
            "source.endpoint",
            format!("is not valid, expected {EXPECTED}"),
        )
    })
}
