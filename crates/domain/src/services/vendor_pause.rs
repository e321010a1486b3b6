//! An operator's pause of a vendor.

use std::sync::Arc;

use thiserror::Error;
use tracing::info;

use crate::identifiers::VendorId;
use crate::ports::{Clock, OperatorPause, Store, StoreError};
use crate::retry::{self, AsStoreError};
use crate::vendor_set::VendorSource;

/// Maximum length of the reason of a pause, in characters.
pub const MAX_PAUSE_REASON_CHARS: usize = 200;

/// The reason of a pause that an operator gives: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseReason(String);

/// The text is not the reason of a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must have 1 to {MAX_PAUSE_REASON_CHARS} characters on one line")]
pub struct InvalidPauseReason;

impl PauseReason {
    /// Parses a reason, without the white space at its ends.
    ///
    /// # Errors
    /// [`InvalidPauseReason`].
    pub fn parse(text: &str) -> Result<Self, InvalidPauseReason> {
        let text = text.trim();
        let is_valid = (1..=MAX_PAUSE_REASON_CHARS).contains(&text.chars().count())
            && !text.chars().any(char::is_control);
        is_valid
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidPauseReason)
    }
}

/// The reason why a vendor was not paused or resumed. Nothing was changed.
#[derive(Debug, Error)]
pub enum PauseVendorError {
    /// There is no such vendor.
    #[error("there is no vendor {0}")]
    NotFound(VendorId),
    /// The vendor pushes its reports, and no pause delays them.
    #[error("vendor {0} pushes its reports: it has no scheduled syncs to pause")]
    Pushes(VendorId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AsStoreError for PauseVendorError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotFound(_) | Self::Pushes(_) => None,
        }
    }
}

/// Pauses vendors and ends their pauses.
#[derive(Clone)]
pub struct PauseVendor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl PauseVendor {
    /// Creates the use case.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Pauses a vendor: no scheduled sync begins until the pause is ended. A sync that is running ends normally. Pausing a
    /// paused vendor replaces the reason if one is given, and changes nothing else.
    ///
    /// # Errors
    /// [`PauseVendorError`].
    pub async fn pause(
        &self,
        vendor_id: &VendorId,
        reason: Option<&PauseReason>,
    ) -> Result<OperatorPause, PauseVendorError> {
        let paused = retry::on_conflict(&self.clock, || async {
            let mut work = self.store.begin().await?;
            let source = work.find_vendor_source(vendor_id).await?;
            if source.as_ref().is_some_and(VendorSource::is_pushed) {
                return Err(PauseVendorError::Pushes(vendor_id.clone()));
            }
            let paused = work
                .pause_vendor(vendor_id, reason.map(|reason| reason.0.clone()))
                .await?;
            let paused = paused.ok_or_else(|| PauseVendorError::NotFound(vendor_id.clone()))?;
            work.commit().await?;
            Ok::<_, PauseVendorError>(paused)
        })
        .await?;
        info!(
            vendor.id = %vendor_id, since = %paused.since, reason = paused.reason,
            "an operator paused the scheduled syncs of the vendor"
        );
        Ok(paused)
    }

    /// Ends the pause of a vendor and returns it; `None` if the vendor was not paused.
    ///
    /// # Errors
    /// [`PauseVendorError`].
    pub async fn resume(
        &self,
        vendor_id: &VendorId,
    ) -> Result<Option<OperatorPause>, PauseVendorError> {
        let ended = retry::on_conflict(&self.clock, || async {
            let mut work = self.store.begin().await?;
            let ended = work.resume_vendor(vendor_id).await?;
            work.commit().await?;
            Ok::<_, PauseVendorError>(ended)
        })
        .await?;
        if ended.is_some() {
            info!(vendor.id = %vendor_id, "an operator resumed the scheduled syncs of the vendor");
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_one_short_line() {
        let longest = "\u{fc}".repeat(MAX_PAUSE_REASON_CHARS);
        for (text, expected) in [(" stocktaking ", "stocktaking"), (&longest, &longest)] {
            assert_eq!(
                PauseReason::parse(text),
                Ok(PauseReason(expected.to_owned()))
            );
        }
        for invalid in ["", " ", "a\nb", "a\u{9b}b", &format!("{longest}x")] {
            PauseReason::parse(invalid).unwrap_err();
        }
    }
}
