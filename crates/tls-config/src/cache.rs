//! Keeps the value that was made from files until the files change.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};

use crate::error::TlsFileError;
use crate::files::{Contents, Fingerprint};

/// A value that is made again when its files change.
///
/// The content is compared, not the time of modification: files that are replaced twice within the resolution of the file
/// system's clock differ. Reading a few small files costs far less than the handshake that follows.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    current: Option<(Fingerprint, Arc<T>)>,
    /// The last error for which the previous value was used, so that it is logged once.
    logged: Option<String>,
}

impl<T> Cache<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                current: None,
                logged: None,
            }),
        }
    }

    /// Returns the value of the files. If they changed and cannot be used, the previous value is returned.
    ///
    /// # Errors
    /// If the files cannot be used and there is no previous value.
    pub(crate) fn get(
        &self,
        read: impl FnOnce() -> Result<Contents, TlsFileError>,
        make: impl FnOnce(&Contents) -> Result<T, TlsFileError>,
    ) -> Result<Arc<T>, TlsFileError> {
        // No update of the state can be left half done by a panic.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = read().and_then(|contents| {
            let fingerprint = contents.fingerprint();
            match &state.current {
                Some((known, value)) if *known == fingerprint => {
                    Ok((fingerprint, Arc::clone(value)))
                }
                _ => Ok((fingerprint, Arc::new(make(&contents)?))),
            }
        });
        match (usable, &state.current) {
            (Ok((fingerprint, value)), current) => {
                if current
                    .as_ref()
                    .is_some_and(|(known, _)| *known != fingerprint)
                {
                    info!("TLS files were replaced; new connections use them");
                }
                state.current = Some((fingerprint, Arc::clone(&value)));
                state.logged = None;
                Ok(value)
            }
            (Err(error), Some((_, previous))) => {
                let previous = Arc::clone(previous);
                let text = error.to_string();
                if state.logged.as_ref() != Some(&text) {
                    warn!(
                        error = text,
                        "replaced TLS files cannot be used; new connections use the previous ones"
                    );
                    state.logged = Some(text);
                }
                Ok(previous)
            }
            (Err(error), None) => Err(error),
        }
    }
}
