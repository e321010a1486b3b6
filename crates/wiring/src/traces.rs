//! The tracer of a program, from its settings.

use std::sync::Arc;

use anyhow::Context as _;
use domain::ports::{NoopTracer, Tracer};
use settings::TracesSettings;
use traces_otlp::{OtlpTracer, TracerOptions};

use crate::build;

/// The systems that a program sends spans about.
#[derive(Debug, Clone, Copy)]
pub struct TracedSystems {
    /// The database: `db.system.name` of OpenTelemetry.
    pub database: &'static str,
    /// The broker: `messaging.system`; `None` for a queue within the process.
    pub broker: Option<&'static str>,
}

/// The export of traces of this process, if it is configured.
#[derive(Clone)]
pub struct Traces(Option<Arc<OtlpTracer>>);

impl Traces {
    /// Starts the export. Requires a tokio runtime.
    ///
    /// # Errors
    /// If a variable of OpenTelemetry is invalid, or the HTTP client cannot be built.
    pub fn start(
        settings: &TracesSettings,
        program: &'static str,
        systems: TracedSystems,
    ) -> anyhow::Result<Self> {
        let Some(endpoint) = settings.endpoint.clone() else {
            return Ok(Self(None));
        };
        let tracer = OtlpTracer::start(&TracerOptions {
            endpoint,
            sample_ratio: settings.sample_ratio,
            program,
            version: build::VERSION,
            database: systems.database,
            broker: systems.broker,
        });
        let tracer = tracer.context("setting telemetry.traces.endpoint cannot be used")?;
        Ok(Self(Some(Arc::new(tracer))))
    }

    /// The tracer, which records nothing if the export is not configured.
    #[must_use]
    pub fn tracer(&self) -> Arc<dyn Tracer> {
        match &self.0 {
            Some(tracer) => tracer.clone(),
            None => Arc::new(NoopTracer),
        }
    }

    /// Sends the spans that wait, for at most 5 s.
    pub async fn shutdown(self) {
        if let Some(tracer) = self.0 {
            // A panic was logged; the spans are lost.
            let _ = tokio::task::spawn_blocking(move || tracer.shutdown()).await;
        }
    }
}
