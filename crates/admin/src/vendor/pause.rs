//! `order-aggregator-admin vendor pause` and `vendor resume`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clock_tokio::SystemClock;
use domain::identifiers::VendorId;
use domain::services::PauseVendor;
use settings::Settings;

use super::vendor_id;
use crate::store::{self, Access};

/// Maximum length of a reason, in characters.
const MAX_REASON_CHARS: usize = 200;

#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    /// Id of the vendor.
    #[arg(value_name = "ID", value_parser = vendor_id)]
    vendor: VendorId,
    /// Reason, which `GET /api/v1/vendors` shows: 1 to 200 characters on one line.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
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

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_valid = (1..=MAX_REASON_CHARS).contains(&text.chars().count())
        && !text.chars().any(char::is_control);
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must have 1 to {MAX_REASON_CHARS} characters on one line"
        ))
    }
}

pub(super) fn pause(args: &PauseArgs, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Write, settings, &runtime)?;
    let pausing = PauseVendor::new(store, Arc::new(SystemClock));
    let paused = pausing.pause(&args.vendor, args.reason.as_deref());
    let paused = runtime.block_on(paused)?;
    println!(
        "vendor {} is paused since {}; `vendor resume {}` ends the pause",
        args.vendor, paused.since, args.vendor
    );
    Ok(())
}

pub(super) fn resume(args: &ResumeArgs, settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let store = store::open(args.data.as_deref(), Access::Write, settings, &runtime)?;
    let vendor_id = &args.vendor;
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
    use super::*;

    #[test]
    fn reason_is_one_short_line() {
        assert_eq!(reason(" stocktaking "), Ok("stocktaking".to_owned()));
        for invalid in ["", " ", "a\nb", &"x".repeat(201)] {
            reason(invalid).unwrap_err();
        }
    }
}
