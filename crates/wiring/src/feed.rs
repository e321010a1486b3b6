//! The feed of a vendor, made from its settings.

mod source;

use std::sync::Arc;

use anyhow::Context as _;
use clock_tokio::SystemClock;
use settings::{DecodeSettings, SourceSettings, VendorSettings};
use vendor_feeds::{DecodeOptions, FeedOptions, PushOptions, PushReceiver, SourceFeed};

use self::source::source;

/// The feed of a vendor; `None` if it pushes its reports.
pub(crate) fn vendor_feed(settings: &VendorSettings) -> anyhow::Result<Option<SourceFeed>> {
    let unusable = || format!("vendor {} cannot be read", settings.id);
    let Some(source) = source(&settings.source).with_context(unusable)? else {
        return Ok(None);
    };
    let options = FeedOptions {
        vendor_id: settings.id.clone(),
        source,
        after: settings.after.clone(),
        decode: decode(&settings.decode),
        format: settings.format.clone(),
        fields: settings.fields.clone(),
        rules: settings.rules.clone(),
        timeout: settings.timeout,
        retries: settings.retries,
        kind: settings.kind,
        lag: settings.lag,
        max_age: settings.max_age,
        guard: settings.guard,
    };
    let feed = SourceFeed::new(options, Arc::new(SystemClock)).with_context(unusable)?;
    Ok(Some(feed))
}

/// The receiver of a vendor's documents; `None` if it does not push its reports.
pub(crate) fn push_receiver(settings: &VendorSettings) -> anyhow::Result<Option<PushReceiver>> {
    if !matches!(settings.source, SourceSettings::Push { .. }) {
        return Ok(None);
    }
    let options = PushOptions {
        vendor_id: settings.id.clone(),
        decode: decode(&settings.decode),
        format: settings.format.clone(),
        fields: settings.fields.clone(),
        rules: settings.rules.clone(),
        timeout: settings.timeout,
        kind: settings.kind,
        lag: settings.lag,
        max_age: settings.max_age,
        guard: settings.guard,
    };
    PushReceiver::new(options)
        .map(Some)
        .with_context(|| format!("reports of vendor {} cannot be read", settings.id))
}

fn decode(decode: &DecodeSettings) -> DecodeOptions {
    DecodeOptions {
        charset: decode.charset,
        entry: decode.entry.clone(),
        max_bytes: decode.max_bytes,
        max_decoded_bytes: decode.max_decoded_bytes,
        max_ratio: decode.max_ratio,
    }
}
