//! `order-aggregator-admin vendor pause` and `vendor resume`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clock_tokio::SystemClock;
use domain::identifiers::VendorId;
use domain::ports::{OperatorPause, StoredPause};
use domain::services::{PauseReason, PauseVendor};
use settings::Settings;

use super::{open_for_writing, vendor_id};

#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    /// Id of the vendor.
    #[arg(value_name = "ID", value_parser = vendor_id)]
    vendor: VendorId,
    /// Reason, which `GET /api/v1/vendors` shows: 1 to 200 characters on one line.
    #[arg(long, value_name = "TEXT", value_parser = PauseReason::parse)]
    reason: Option<PauseReason>,
    /// Data file of the embedded deployment, which must not be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    /// Id of the vendor.
    #[arg(value_name = "ID", value_parser = vendor_id)]
    vendor: VendorId,
    /// Data file of the embedded deployment, which must not be running [default: the database in the settings].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

pub(super) fn pause(args: &PauseArgs, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let call = format!("{}/pause", args.vendor);
    let store = open_for_writing(args.data.as_deref(), settings, &runtime, &call)?;
    let pausing = PauseVendor::new(store, Arc::new(SystemClock));
    let paused = pausing.pause(&args.vendor, args.reason.as_ref());
    let paused = runtime.block_on(paused)?;
    println!("vendor {}: {}", args.vendor, by_operator(&paused));
    Ok(())
}

/// One line about a pause.
fn by_operator(paused: &OperatorPause) -> String {
    let OperatorPause { since, reason } = paused;
    let reason = reason.as_ref().map(|reason| format!(" ({reason})"));
    let reason = reason.unwrap_or_default();
    format!(
        "an operator paused its scheduled syncs at {since}{reason}; `vendor resume` ends the pause"
    )
}

/// Lines about what delays the scheduled syncs of a vendor: an operator, or its failures.
pub(super) fn delays(stored: &StoredPause) -> Vec<String> {
    let mut lines: Vec<String> = stored.operator.iter().map(by_operator).collect();
    let failures = stored.pause.failures;
    if failures > 0 {
        let syncs = match failures {
            1 => "sync".to_owned(),
            _ => format!("{failures} syncs"),
        };
        let next = match stored.pause.next_attempt_at(stored.now) {
            Some(at) => format!("not before {at}"),
            None => "due".to_owned(),
        };
        lines.push(format!(
            "its last {syncs} failed; the next scheduled sync is {next}"
        ));
    }
    lines
}

pub(super) fn resume(args: &ResumeArgs, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let vendor_id = &args.vendor;
    let call = format!("{vendor_id}/resume");
    let store = open_for_writing(args.data.as_deref(), settings, &runtime, &call)?;
    runtime.block_on(async {
        let known = store.find_vendors(std::slice::from_ref(vendor_id)).await?;
        ensure!(!known.is_empty(), "there is no vendor {vendor_id}");
        let pausing = PauseVendor::new(store, Arc::new(SystemClock));
        match pausing.resume(vendor_id).await? {
            Some(paused) => println!("vendor {vendor_id} was paused since {}", paused.since),
            None => println!("vendor {vendor_id} was not paused"),
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::pacing::VendorPause;
    use domain::timestamp::Timestamp;

    use super::*;

    #[test]
    fn pause_of_an_operator_and_delay_after_failures_differ() {
        let now = Timestamp::from_micros(1_795_435_200_000_000);
        let mut stored = StoredPause {
            vendor_id: VendorId::parse("acme").unwrap(),
            pause: VendorPause::default(),
            operator: None,
            now,
        };
        assert_eq!(delays(&stored), [""; 0]);
        stored.pause = VendorPause {
            failures: 3,
            not_before: None,
            backoff_until: Some(now.plus(Duration::from_secs(90))),
        };
        let delayed = "its last 3 syncs failed; the next scheduled sync is not before 2026-11-23T12:01:30.000000Z";
        assert_eq!(delays(&stored), [delayed]);
        stored.operator = Some(OperatorPause {
            since: now,
            reason: Some("stocktaking".to_owned()),
        });
        let paused = "an operator paused its scheduled syncs at 2026-11-23T12:00:00.000000Z (stocktaking); `vendor resume` ends the pause";
        assert_eq!(delays(&stored), [paused, delayed]);
        stored.pause = VendorPause {
            failures: 1,
            ..VendorPause::default()
        };
        stored.operator = None;
        assert_eq!(
            delays(&stored),
            ["its last sync failed; the next scheduled sync is due"]
        );
    }
}
