//! The spans of a stage that handles a batch of orders at once.

use crate::identifiers::OrderId;
use crate::ports::{Clock, Tracer};
use crate::timestamp::Timestamp;
use crate::trace::{Span, SpanContext, SpanKind};

/// A stage of the order flow.
pub(crate) struct Stage {
    name: &'static str,
    kind: SpanKind,
}

/// The batch writer writes new orders.
pub(crate) const ACCEPT: Stage = Stage {
    name: "accept orders",
    kind: SpanKind::Internal,
};

/// The relay publishes orders from the outbox.
pub(crate) const PUBLISH: Stage = Stage {
    name: "publish orders",
    kind: SpanKind::Producer,
};

/// A worker settles orders from the queue.
pub(crate) const SETTLE: Stage = Stage {
    name: "settle orders",
    kind: SpanKind::Consumer,
};

/// A traced order of the batch.
pub(crate) struct TracedOrder {
    pub(crate) id: OrderId,
    /// The span of an earlier stage.
    pub(crate) parent: SpanContext,
    /// The span of this stage.
    pub(crate) context: SpanContext,
}

impl TracedOrder {
    pub(crate) fn new(tracer: &dyn Tracer, id: OrderId, parent: SpanContext) -> Self {
        Self {
            id,
            parent,
            context: tracer.child_of(parent),
        }
    }
}

/// Ends a step, if the batch is traced.
pub(crate) fn end_step(trace: &mut Option<StageTrace<'_>>, name: &'static str, kind: SpanKind) {
    if let Some(trace) = trace {
        trace.end_step(name, kind);
    }
}

/// Measures the steps of a stage. Each traced order of the batch gets a span for the stage, with a child for each step; the
/// batch has one span in a trace of its own, with a link to the span of each order.
pub(crate) struct StageTrace<'a> {
    tracer: &'a dyn Tracer,
    clock: &'a dyn Clock,
    stage: Stage,
    started: Timestamp,
    /// The name, the kind and the end of each step. A step begins when the one before ends.
    steps: Vec<(&'static str, SpanKind, Timestamp)>,
}

impl<'a> StageTrace<'a> {
    /// Begins to measure; `None` if no order is traced.
    pub(crate) fn begin(
        tracer: &'a dyn Tracer,
        clock: &'a dyn Clock,
        stage: Stage,
        is_traced: bool,
    ) -> Option<Self> {
        is_traced.then(|| Self::since(tracer, clock, stage, clock.now()))
    }

    /// Measures a stage that began at `started`.
    pub(crate) fn since(
        tracer: &'a dyn Tracer,
        clock: &'a dyn Clock,
        stage: Stage,
        started: Timestamp,
    ) -> Self {
        Self {
            tracer,
            clock,
            stage,
            started,
            steps: Vec::new(),
        }
    }

    /// Ends a step.
    pub(crate) fn end_step(&mut self, name: &'static str, kind: SpanKind) {
        self.steps.push((name, kind, self.clock.now()));
    }

    /// Records the spans; none if the stage succeeded for no traced order. `batch` is the number of orders, including those that
    /// are not traced.
    pub(crate) fn record(self, batch: usize, orders: &[TracedOrder]) {
        let ended = self.steps.last().map(|(_, _, ended)| *ended);
        let Some(ended) = ended.filter(|_| !orders.is_empty()) else {
            return;
        };
        let of_batch = self.tracer.new_trace();
        for order in orders {
            let mut span = self.span(order.context, self.stage.name, self.stage.kind);
            span.parent = Some(order.parent.span_id);
            span.links.extend(of_batch);
            span.ended = ended;
            span.attributes
                .extend([("order.id", order.id.0.into()), batch_size(batch)]);
            self.tracer.record(span);
            let mut started = self.started;
            for (name, kind, ended) in &self.steps {
                let context = self.tracer.child_of(order.context);
                let mut step = self.span(context, name, *kind);
                step.parent = Some(order.context.span_id);
                (step.started, step.ended) = (started, *ended);
                started = *ended;
                self.tracer.record(step);
            }
        }
        if let Some(context) = of_batch {
            let mut span = self.span(context, self.stage.name, SpanKind::Internal);
            span.links = orders.iter().map(|order| order.context).collect();
            span.ended = ended;
            span.attributes.push(batch_size(batch));
            self.tracer.record(span);
        }
    }

    fn span(&self, context: SpanContext, name: &'static str, kind: SpanKind) -> Span {
        Span {
            context,
            parent: None,
            links: Vec::new(),
            name: name.into(),
            kind,
            started: self.started,
            ended: self.started,
            attributes: Vec::new(),
            is_error: false,
        }
    }
}

fn batch_size(orders: usize) -> (&'static str, crate::trace::AttributeValue) {
    ("order.batch_size", orders.into())
}
