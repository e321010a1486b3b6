//! Options of the RabbitMQ adapter.

use anyhow::{Context as _, ensure};
use queue_rabbitmq::RabbitOptions;
use settings::{ExposeSecret as _, RabbitmqSettings};
use url::Url;

/// The password of the user that a new RabbitMQ has.
const DEFAULT_PASSWORD: &str = "guest";
use tls_config::{ClientTls, ClientTlsOptions, Verification};

use crate::tls::identity;

/// Returns the broker options of a program; `program` is its connection name.
///
/// # Errors
/// If the URL is invalid, or has the default password and the settings refuse it; the message does not contain the URL. If the files for TLS cannot be used.
pub fn rabbitmq(settings: &RabbitmqSettings, program: &str) -> anyhow::Result<RabbitOptions> {
    let url = settings.url.expose_secret();
    let mut options = RabbitOptions::parse(url).context("the setting rabbitmq.url is invalid")?;
    ensure!(
        settings.allow_guest_password || !has_default_password(url),
        "the setting rabbitmq.url (RABBITMQ_URL) has the password guest, the default of RabbitMQ, which \
         rabbitmq.allow_guest_password = false refuses"
    );
    if options.tls.is_some() {
        let files = &settings.tls;
        let tls = ClientTls::new(ClientTlsOptions {
            verification: Verification::Full,
            root_certificates: files.root_certificates.clone(),
            identity: identity(files.certificate.as_ref(), files.key.as_ref()),
        });
        // The broker may be unreachable when a program starts; its files are not.
        tls.config().context("the settings rabbitmq.tls")?;
        options.tls = Some(tls);
    }
    options.queues = settings.queues;
    options.prefetch = settings.prefetch;
    options.confirm_timeout = settings.confirm_timeout;
    options.heartbeat = settings.heartbeat;
    program.clone_into(&mut options.connection_name);
    Ok(options)
}

/// Whether the password is the default one. A URL without a password means the default one, too.
fn has_default_password(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.password().unwrap_or(DEFAULT_PASSWORD) == DEFAULT_PASSWORD)
}

#[cfg(test)]
mod tests {
    use settings::Settings;

    #[test]
    fn default_password_is_refused_where_the_settings_refuse_it() {
        let mut settings = Settings::load(None).unwrap().rabbitmq;
        let mut error = |url: &str, allowed: bool| {
            settings.url = url.to_owned().into();
            settings.allow_guest_password = allowed;
            let options = super::rabbitmq(&settings, "worker");
            options.err().map(|error| error.to_string())
        };
        for default in [
            "amqp://guest:guest@h:5672",
            "amqp://shop:guest@h",
            "amqp://h",
        ] {
            assert_eq!(error(default, true), None, "{default}");
            let refused = error(default, false).unwrap();
            assert!(refused.contains("allow_guest_password"), "{refused}");
            assert!(!refused.contains("amqp://"), "{refused}");
        }
        assert_eq!(error("amqp://shop:s3cret@h", false), None);
    }
}
