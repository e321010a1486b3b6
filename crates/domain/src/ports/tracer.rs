//! The tracer, which records spans.

use crate::trace::{Span, SpanContext, Traceparent};

/// Records spans of sampled traces. No use case depends on a span: they are for monitoring, and may be lost.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Tracer: Send + Sync {
    /// Decides whether the trace of a request is recorded, and returns the context of the request's span if it is. MUST follow
    /// the decision of the caller if there is one. MUST return immediately.
    fn begin_request(&self, caller: Option<Traceparent>) -> Option<SpanContext>;

    /// Returns the context of a new span in the trace of `parent`. MUST return `parent` if spans are not recorded, so that
    /// later processes continue the trace. MUST return immediately.
    fn child_of(&self, parent: SpanContext) -> SpanContext;

    /// Returns the context of the first span of a new trace; `None` if spans are not recorded. MUST return immediately.
    fn new_trace(&self) -> Option<SpanContext>;

    /// Records a span. MUST return immediately, and MUST discard the span if too many are waiting.
    fn record(&self, span: Span);
}

/// A tracer that records nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoopTracer;

impl Tracer for NoopTracer {
    fn begin_request(&self, _caller: Option<Traceparent>) -> Option<SpanContext> {
        None
    }

    fn child_of(&self, parent: SpanContext) -> SpanContext {
        parent
    }

    fn new_trace(&self) -> Option<SpanContext> {
        None
    }

    fn record(&self, _span: Span) {}
}
