//! Adds the ids of the current request and its trace to every line that is logged while the request is served.
//!
//! The id is in a task-local and not in a span: a span would be formatted for every request, and most requests log nothing.

use std::future::Future;
use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Maximum length of an id that a client chooses, in bytes.
const MAX_BYTES: usize = 128;

tokio::task_local! {
    static CURRENT: Current;
}

/// The request that a task serves.
#[derive(Clone)]
struct Current {
    id: RequestId,
    /// Hexadecimal digits; `None` if the trace is not recorded.
    trace_id: Option<Arc<str>>,
}

/// The id of a request: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Parses an id that a client has chosen; `None` if it is invalid.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_id = (1..=MAX_BYTES).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(text).ok().filter(|_| is_id)?;
        Some(Self(text.into()))
    }

    /// Generates an id of 128 random bits, which need not be secret.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:032x}", fastrand::u128(..)).into())
    }

    /// The id as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of the request that the current task serves, if any.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(|current| current.id.clone()).ok()
}

/// Runs the future with `id` as the request id of every line that it logs, and the trace id, in hexadecimal digits, if the trace is
/// recorded.
pub async fn within<F: Future>(id: RequestId, trace_id: Option<&str>, future: F) -> F::Output {
    let trace_id = trace_id.map(Arc::from);
    CURRENT.scope(Current { id, trace_id }, future).await
}

/// Where the id is written in a log line.
#[derive(Clone, Copy)]
pub(crate) enum IdPosition {
    /// As the last field of a text line.
    TextEnd,
    /// As the first member of a JSON object.
    JsonStart,
}

/// Formats events with `inner` and adds the request id.
pub(crate) struct WithRequestId<F> {
    pub(crate) inner: F,
    pub(crate) position: IdPosition,
}

impl<S, N, F> FormatEvent<S, N> for WithRequestId<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let Ok(Current { id, trace_id }) = CURRENT.try_with(Clone::clone) else {
            return self.inner.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.inner
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        if let (IdPosition::JsonStart, Some(rest)) = (self.position, line.strip_prefix('{')) {
            // The id is visible ASCII, so only these two characters need an escape.
            let escaped = id.as_str().replace('\\', r"\\").replace('"', "\\\"");
            write!(writer, r#"{{"request.id":"{escaped}","#)?;
            if let Some(trace_id) = trace_id {
                write!(writer, r#""trace_id":"{trace_id}","#)?;
            }
            writeln!(writer, "{rest}")
        } else {
            write!(writer, "{line} request.id={}", id.as_str())?;
            if let Some(trace_id) = trace_id {
                write!(writer, " trace_id={trace_id}")?;
            }
            writeln!(writer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_visible_ascii_of_bounded_length() {
        for valid in ["a", "9f8e-7d/6c=5b\"\\", &"x".repeat(128)] {
            assert_eq!(RequestId::parse(valid.as_bytes()).unwrap().as_str(), valid);
        }
        for invalid in [&b""[..], b"a b", b"a\tb", b"a\nb", "ä".as_bytes(), b"\xff"] {
            assert_eq!(RequestId::parse(invalid), None, "{invalid:?}");
        }
        assert_eq!(RequestId::parse("x".repeat(129).as_bytes()), None);
    }

    #[test]
    fn random_ids_differ() {
        let (one, other) = (RequestId::random(), RequestId::random());
        assert_ne!(one, other);
        assert_eq!(RequestId::parse(one.as_str().as_bytes()), Some(one));
    }
}
