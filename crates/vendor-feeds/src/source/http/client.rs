//! The HTTP client of a source, made from its options.

use std::sync::Arc;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, redirect};
use secrecy::SecretString;
use url::Host;

use super::RequestOptions;
use super::auth::{Credentials, header_name, secret_value, secrets_of};
use super::conditions::Conditions;
use super::exchange::Exchange;
use super::targets::Targets;
use crate::feed::InvalidOptions;
use crate::options::{HeaderText, HttpOptions, PageTotal};
use crate::secrets::Secrets;
use crate::source::address::AddressRules;
use crate::source::resolver::GuardedResolver;

/// `User-Agent` of requests to vendors.
const USER_AGENT: &str = concat!("order-aggregator/", env!("CARGO_PKG_VERSION"));

/// Creates what sends the requests of a source, and the secrets in its options.
pub(super) fn exchange(
    options: &HttpOptions,
    request: &RequestOptions,
) -> Result<(Exchange, Arc<Secrets>), InvalidOptions> {
    let HttpOptions {
        url,
        headers,
        auth,
        redirect_hosts,
        allow_addresses,
        ..
    } = options;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidOptions::Scheme);
    }
    let secret_texts: Vec<SecretString> = headers
        .iter()
        .filter_map(|header| match &header.value {
            HeaderText::Secret(value) => Some(value.clone()),
            HeaderText::Plain(_) => None,
        })
        .collect();
    let secrets = Arc::new(secrets_of(auth.as_ref(), &secret_texts));
    let credentials = auth.as_ref().map(|auth| Credentials::new(auth, &secrets));
    let credentials = credentials.transpose().map_err(InvalidOptions::Option)?;
    let (headers, secret_headers) = header_maps(options).map_err(InvalidOptions::Option)?;
    let named = options
        .urls()
        .filter_map(|url| Some(url.host()?.to_owned()));
    let named: Vec<Host> = named.collect();
    let addresses = Arc::new(AddressRules::new(allow_addresses, &named));
    let client = client(options, request, &addresses)?;
    let total_header = total_header(options).map_err(InvalidOptions::Option)?;
    let secret_param = credentials.as_ref().and_then(Credentials::secret_param);
    let exchange = Exchange {
        client,
        targets: Targets::new(url.clone(), redirect_hosts.clone(), addresses, secret_param),
        credentials,
        headers,
        secret_headers,
        conditions: Conditions::new(request.vendor_id.clone(), request.settings.clone()),
        total_header,
        max_bytes: request.max_bytes,
    };
    Ok((exchange, secrets))
}

/// The additional headers: those that each host receives, and those that are secret.
fn header_maps(options: &HttpOptions) -> Result<(HeaderMap, HeaderMap), String> {
    let (mut plain, mut secret) = (HeaderMap::new(), HeaderMap::new());
    for header in &options.headers {
        let name: HeaderName = header_name("source.headers", &header.name)?;
        let setting = format!("source.headers.{name}");
        match &header.value {
            HeaderText::Plain(text) => {
                let value = HeaderValue::from_str(text)
                    .map_err(|_| format!("{setting} has a character that a header cannot have"))?;
                plain.append(name, value);
            }
            HeaderText::Secret(text) => {
                secret.append(name, secret_value(&setting, text)?);
            }
        }
    }
    Ok((plain, secret))
}

/// The header with the number of records on all pages.
fn total_header(options: &HttpOptions) -> Result<Option<HeaderName>, String> {
    let total = options
        .pages
        .as_ref()
        .and_then(|pages| pages.total.as_ref());
    let Some(PageTotal::Header(name)) = total else {
        return Ok(None);
    };
    header_name("source.pages.total_header", name).map(Some)
}

fn client(
    options: &HttpOptions,
    request: &RequestOptions,
    addresses: &Arc<AddressRules>,
) -> Result<Client, InvalidOptions> {
    // Fails if a provider is already installed, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = match &options.ca_certificates {
        Some(pem) => certificates(pem).map_err(InvalidOptions::Option)?,
        None => Vec::new(),
    };
    let builder = || {
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static(request.accept)),
            // A compressed document is decoded, but not requested: some caches ignore `Vary`.
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ]);
        Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .connect_timeout(request.connect_timeout)
            .dns_resolver(Arc::new(GuardedResolver(Arc::clone(addresses))))
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
    };
    let with_certificates = |builder: ClientBuilder| builder.tls_certs_merge(certificates.clone());
    match with_certificates(builder()).build() {
        // Plain HTTP needs no root certificates, so a machine without any must not cause an error.
        Err(_) if options.urls().all(|url| url.scheme() == "http") => {
            builder().tls_certs_only([]).build()
        }
        built => built,
    }
    .map_err(InvalidOptions::Client)
}

/// Reads certificates in PEM, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let certificates = Certificate::from_pem_bundle(pem)
        .map_err(|_| "source.ca_file is not a file of certificates in PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("source.ca_file has no certificate in PEM".to_owned());
    }
    Ok(certificates)
}
