//! Traces: the spans of one request and its order across processes.
//!
//! Only traces that are recorded have a [`SpanContext`]; an operation without one does no work for tracing. The ids are those
//! of [W3C Trace Context](https://www.w3.org/TR/trace-context/).

use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use crate::timestamp::Timestamp;

/// Length of `traceparent` in version 00, in bytes.
const TRACEPARENT_BYTES: usize = 55;

/// Identifies a span of a trace that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanContext {
    /// The trace: one request and all that follows from it.
    pub trace_id: NonZeroU128,
    /// The span within the trace.
    pub span_id: NonZeroU64,
}

/// The value of a `traceparent` header whose trace is recorded.
impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace_id, self.span_id)
    }
}

impl SpanContext {
    /// Parses a `traceparent`; `None` if it is invalid or its trace is not recorded.
    #[must_use]
    pub fn parse_recorded(text: &str) -> Option<Self> {
        let traceparent = Traceparent::parse(text)?;
        traceparent.is_sampled.then_some(traceparent.parent)
    }
}

/// A parsed `traceparent` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    /// The caller's span.
    pub parent: SpanContext,
    /// Whether the caller records the trace.
    pub is_sampled: bool,
}

impl Traceparent {
    /// Parses a header value; `None` if it is invalid, in which case a new trace begins (W3C Trace Context, 3.2.4). Later versions
    /// than 00 may have more fields, which are ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(5, '-');
        let version = hex(fields.next()?, 2)?;
        let trace_id = NonZeroU128::new(hex(fields.next()?, 32)?)?;
        let span_id = hex(fields.next()?, 16)?;
        let flags = hex(fields.next()?, 2)?;
        let has_valid_length = text.len() == TRACEPARENT_BYTES || (version > 0 && version < 0xff);
        if version == 0xff || !has_valid_length {
            return None;
        }
        let span_id = NonZeroU64::new(u64::try_from(span_id).ok()?)?;
        Some(Self {
            parent: SpanContext { trace_id, span_id },
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Parses lowercase hexadecimal digits, of which there must be exactly `digits`.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == digits && text.bytes().all(is_digit))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

/// The role of a span between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Serves a request of another process.
    Server,
    /// Within this process.
    Internal,
    /// Sends messages to the queue.
    Producer,
    /// Processes messages from the queue.
    Consumer,
    /// Waits for the store.
    Store,
}

/// The value of an attribute of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A text.
    Text(Cow<'static, str>),
    /// An integer.
    Integer(i64),
}

impl From<&'static str> for AttributeValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for AttributeValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<usize> for AttributeValue {
    fn from(number: usize) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The ids of the span.
    pub context: SpanContext,
    /// The parent's span id in the same trace; `None` for the first span of a trace.
    pub parent: Option<NonZeroU64>,
    /// Spans of other traces that this one worked for, or that worked for it.
    pub links: Vec<SpanContext>,
    /// The name of the operation, the same for all of its spans.
    pub name: Cow<'static, str>,
    /// The role of the span.
    pub kind: SpanKind,
    /// When the operation began.
    pub started: Timestamp,
    /// When the operation ended.
    pub ended: Timestamp,
    /// Attributes, named as in the semantic conventions of OpenTelemetry where these have a name.
    pub attributes: Vec<(&'static str, AttributeValue)>,
    /// Whether the operation failed by a fault of this service.
    pub is_error: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn traceparent_of_the_specification_is_parsed() {
        let parsed = Traceparent::parse(SAMPLED).unwrap();
        assert!(parsed.is_sampled);
        assert_eq!(
            parsed.parent.trace_id.get(),
            0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c
        );
        assert_eq!(parsed.parent.span_id.get(), 0xb7ad_6b71_6920_3331);
        assert_eq!(parsed.parent.to_string(), SAMPLED);
        let unsampled = SAMPLED.replace("-01", "-00");
        assert!(!Traceparent::parse(&unsampled).unwrap().is_sampled);
        assert_eq!(SpanContext::parse_recorded(&unsampled), None);
        assert_eq!(SpanContext::parse_recorded(SAMPLED), Some(parsed.parent));
    }

    #[test]
    fn later_versions_may_have_more_fields_and_flags() {
        for text in [
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-else",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
        ] {
            assert!(Traceparent::parse(text).unwrap().is_sampled, "{text}");
        }
    }

    #[test]
    fn invalid_traceparent_is_none() {
        let zero_trace = SAMPLED.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        let zero_span = SAMPLED.replace("b7ad6b7169203331", &"0".repeat(16));
        for text in [
            "",
            "00",
            &SAMPLED.to_uppercase(),
            &SAMPLED.replacen("00", "ff", 1),
            &format!("{SAMPLED}-more"),
            &format!("{SAMPLED} "),
            &SAMPLED.replace("0af7", "0ag7"),
            &SAMPLED.replace("0af7", "+af7"),
            &zero_trace,
            &zero_span,
        ] {
            assert_eq!(Traceparent::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn written_context_is_read_again(trace_id in 1_u128.., span_id in 1_u64..) {
            let context = SpanContext {
                trace_id: NonZeroU128::new(trace_id).unwrap(),
                span_id: NonZeroU64::new(span_id).unwrap(),
            };
            prop_assert_eq!(SpanContext::parse_recorded(&context.to_string()), Some(context));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = Traceparent::parse(&text);
        }
    }
}
