//! Connection options of the servers in the settings.

use anyhow::Result;
use queue_rabbitmq::RabbitOptions;
use settings::Settings;
use storage_postgres::PgOptions;

/// Name of this program, also on the servers.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_NAME");

/// Returns the connection options of the database.
pub(crate) fn postgres(settings: &Settings) -> PgOptions {
    wiring::postgres(&settings.database, PROGRAM)
}

/// Returns the connection options of the broker.
pub(crate) fn rabbitmq(settings: &Settings) -> Result<RabbitOptions> {
    wiring::rabbitmq(&settings.rabbitmq, PROGRAM)
}
