//! The source of a vendor's reports, made from its settings. Secrets are read here: only a program that reads reports needs
//! them.

use std::fs;

use anyhow::{Context as _, anyhow};
use settings::{
    BucketSettings, FtpsSettings, FtpsTls, HeaderSetting, HttpAuthSettings, HttpSettings,
    SecretSource, SftpLoginSettings, SftpSettings, SourceSettings,
};
use vendor_feeds::{
    AccessKey, BucketOptions, FtpsOptions, HeaderText, HttpAuth, HttpHeader, HttpOptions,
    RedirectHost, SecretString, SftpLogin, SftpOptions, Source,
};

/// The source to request reports from; `None` if the vendor pushes them.
pub(super) fn source(source: &SourceSettings) -> anyhow::Result<Option<Source>> {
    Ok(Some(match source {
        SourceSettings::Http(settings) => Source::Http(Box::new(http(settings)?)),
        SourceSettings::File { path, .. } => Source::File { path: path.clone() },
        SourceSettings::Sftp(settings) => Source::Sftp(sftp(settings)?),
        SourceSettings::Ftps(settings) => Source::Ftps(ftps(settings)?),
        SourceSettings::Bucket(settings) => Source::Bucket(bucket(settings)?),
        SourceSettings::Push { .. } => return Ok(None),
    }))
}

fn http(settings: &HttpSettings) -> anyhow::Result<HttpOptions> {
    let HttpSettings {
        url,
        headers,
        auth,
        pages,
        conditional,
        redirect_hosts,
        allow_addresses,
        ca_file,
    } = settings;
    let headers = headers.iter().map(|(name, value)| {
        Ok(HttpHeader {
            name: name.clone(),
            value: match value {
                HeaderSetting::Plain(text) => HeaderText::Plain(text.clone()),
                HeaderSetting::Secret(source) => HeaderText::Secret(secret(source)?),
            },
        })
    });
    let redirect_hosts = redirect_hosts.iter().map(|redirect| RedirectHost {
        host: redirect.host.clone(),
        port: redirect.port,
    });
    let ca_certificates = ca_file.as_ref().map(|path| {
        let shown = path.display();
        fs::read(path).with_context(|| format!("source.ca_file is {shown}, which cannot be read"))
    });
    Ok(HttpOptions {
        url: url.clone(),
        headers: headers.collect::<anyhow::Result<_>>()?,
        auth: auth.as_ref().map(http_auth).transpose()?,
        pages: pages.clone(),
        conditional: *conditional,
        redirect_hosts: redirect_hosts.collect(),
        allow_addresses: allow_addresses.clone(),
        ca_certificates: ca_certificates.transpose()?,
    })
}

fn http_auth(auth: &HttpAuthSettings) -> anyhow::Result<HttpAuth> {
    Ok(match auth {
        HttpAuthSettings::Basic { user, password } => HttpAuth::Basic {
            user: user.clone(),
            password: secret(password)?,
        },
        HttpAuthSettings::Bearer { token } => HttpAuth::Bearer {
            token: secret(token)?,
        },
        HttpAuthSettings::Header { name, value } => HttpAuth::Header {
            name: name.clone(),
            value: secret(value)?,
        },
        HttpAuthSettings::Query { name, value } => HttpAuth::Query {
            name: name.clone(),
            value: secret(value)?,
        },
        HttpAuthSettings::ClientCredentials {
            token_url,
            client_id,
            client_secret,
            scope,
        } => HttpAuth::ClientCredentials {
            token_url: token_url.clone(),
            client_id: client_id.clone(),
            client_secret: secret(client_secret)?,
            scope: scope.clone(),
        },
        HttpAuthSettings::Login {
            url,
            user,
            password,
            user_field,
            password_field,
            token,
        } => HttpAuth::Login {
            url: url.clone(),
            user: user.clone(),
            password: secret(password)?,
            user_field: user_field.clone(),
            password_field: password_field.clone(),
            token: token.to_string(),
        },
    })
}

fn sftp(settings: &SftpSettings) -> anyhow::Result<SftpOptions> {
    Ok(SftpOptions {
        allow_addresses: settings.allow_addresses.clone(),
        host: settings.host.clone(),
        port: settings.port,
        path: settings.path.clone(),
        host_key: settings.host_key.clone(),
        user: settings.user.clone(),
        login: match &settings.login {
            SftpLoginSettings::Password(password) => SftpLogin::Password(secret(password)?),
            SftpLoginSettings::Key { key, passphrase } => SftpLogin::Key {
                key: secret(key)?,
                passphrase: passphrase.as_ref().map(secret).transpose()?,
            },
        },
    })
}

fn ftps(settings: &FtpsSettings) -> anyhow::Result<FtpsOptions> {
    let authorities = settings.ca_file.as_ref().map(|path| {
        let shown = path.display();
        fs::read(path).with_context(|| format!("source.ca_file is {shown}, which cannot be read"))
    });
    Ok(FtpsOptions {
        allow_addresses: settings.allow_addresses.clone(),
        host: settings.host.clone(),
        port: settings.port,
        path: settings.path.clone(),
        tls: match settings.tls {
            FtpsTls::Explicit => vendor_feeds::FtpsTls::Explicit,
            FtpsTls::Implicit => vendor_feeds::FtpsTls::Implicit,
        },
        authorities: authorities.transpose()?,
        time_zone: settings.time_zone.clone(),
        user: settings.user.clone(),
        password: secret(&settings.password)?,
    })
}

fn bucket(settings: &BucketSettings) -> anyhow::Result<BucketOptions> {
    let access_key = settings.access_key.as_ref().map(|key| {
        anyhow::Ok(AccessKey {
            id: key.id.clone(),
            secret: secret(&key.secret)?,
        })
    });
    Ok(BucketOptions {
        allow_addresses: settings.allow_addresses.clone(),
        bucket: settings.bucket.clone(),
        key: settings.key.clone(),
        endpoint: settings.endpoint.clone(),
        region: settings.region.clone(),
        access_key: access_key.transpose()?,
    })
}

fn secret(source: &SecretSource) -> anyhow::Result<SecretString> {
    source.read().map_err(|problem| anyhow!(problem))
}
