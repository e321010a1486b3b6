//! Options of the RabbitMQ adapter.

use anyhow::Context as _;
use queue_rabbitmq::RabbitOptions;
use settings::{ExposeSecret as _, RabbitmqSettings};
use tls_config::{ClientTls, ClientTlsOptions, Verification};

use crate::tls::identity;

/// Returns the broker options of a program; `program` is its connection name.
///
/// # Errors
/// If the URL is invalid, whose message does not contain it, or the files for TLS cannot be used.
pub fn rabbitmq(settings: &RabbitmqSettings, program: &str) -> anyhow::Result<RabbitOptions> {
    let mut options = RabbitOptions::parse(settings.url.expose_secret())
        .context("the setting rabbitmq.url is invalid")?;
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
