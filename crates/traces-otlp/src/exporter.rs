//! The exporter, with a log line when it begins to fail and when it works again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as Exporter};
use tracing::{info, warn};

#[derive(Debug)]
pub(crate) struct LoggingExporter {
    inner: SpanExporter,
    is_failing: AtomicBool,
}

impl LoggingExporter {
    pub(crate) fn new(inner: SpanExporter) -> Self {
        Self {
            inner,
            is_failing: AtomicBool::new(false),
        }
    }
}

impl Exporter for LoggingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.inner.export(batch).await;
        let was_failing = self.is_failing.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Err(error) if !was_failing => warn!(
                %error,
                spans,
                "spans cannot be sent to the OpenTelemetry collector and are discarded; orders are not affected"
            ),
            Ok(()) if was_failing => info!("spans are sent to the OpenTelemetry collector again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
