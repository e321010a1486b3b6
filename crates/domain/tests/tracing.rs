//! The spans of the use cases, on the reference adapters.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::collections::BTreeSet;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::allocation::most_available_first;
use domain::identifiers::{IdempotencyKey, OrderId, ProductId};
use domain::order::OrderRequest;
use domain::ports::{
    Clock, NewOrder, NoopNotifier, NoopTracer, OrderConsumer as _, QueuedMessage, Tracer,
};
use domain::quantity::Quantity;
use domain::services::{
    NewBatch, OrderBatcher, OrderBatcherSettings, Relay, RelaySettings, SettleOrders, Traces,
};
use domain::timestamp::Timestamp;
use domain::trace::{Span, SpanContext, Traceparent};
use queue_in_process::InProcessQueue;
use storage_memory::MemoryStore;

/// Records spans; ids are consecutive numbers.
#[derive(Default)]
struct RecordingTracer {
    last: AtomicU64,
    spans: Mutex<Vec<Span>>,
}

impl RecordingTracer {
    fn next(&self) -> NonZeroU64 {
        NonZeroU64::new(self.last.fetch_add(1, Ordering::Relaxed) + 1).unwrap()
    }

    fn take(&self) -> Vec<Span> {
        std::mem::take(&mut self.spans.lock().unwrap())
    }
}

impl Tracer for RecordingTracer {
    fn begin_request(&self, _caller: Option<Traceparent>) -> Option<SpanContext> {
        self.new_trace()
    }

    fn child_of(&self, parent: SpanContext) -> SpanContext {
        SpanContext {
            span_id: self.next(),
            ..parent
        }
    }

    fn new_trace(&self) -> Option<SpanContext> {
        let id = self.next();
        Some(SpanContext {
            trace_id: NonZeroU128::from(id),
            span_id: id,
        })
    }

    fn record(&self, span: Span) {
        self.spans.lock().unwrap().push(span);
    }
}

/// A clock that advances by a microsecond with each reading.
#[derive(Default)]
struct CountingClock(AtomicU64);

#[async_trait]
impl Clock for CountingClock {
    fn now(&self) -> Timestamp {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::EPOCH.plus(Duration::from_micros(count))
    }

    async fn sleep(&self, _span: Duration) {}
}

/// The use cases of the order flow.
struct Flow {
    store: Arc<MemoryStore>,
    clock: Arc<CountingClock>,
    queue: InProcessQueue,
    batcher: OrderBatcher,
    relay: Relay,
}

impl Flow {
    fn start(tracer: &Arc<dyn Tracer>) -> Self {
        let clock = Arc::new(CountingClock::default());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let queue = InProcessQueue::new(10);
        let (batcher, writer) = OrderBatcher::open(
            store.clone(),
            Arc::new(NoopNotifier),
            clock.clone(),
            OrderBatcherSettings {
                max_batch: 10,
                max_waiting: 10,
            },
        );
        tokio::spawn(writer.with_tracer(Arc::clone(tracer)).run());
        let relay = Relay::new(
            store.clone(),
            Arc::new(queue.clone()),
            clock.clone(),
            RelaySettings {
                batch: 10,
                lease: Duration::from_secs(30),
            },
        )
        .with_tracer(Arc::clone(tracer));
        Self {
            store,
            clock,
            queue,
            batcher,
            relay,
        }
    }

    async fn receive(&self) -> Vec<QueuedMessage> {
        self.relay.run_once().await.unwrap();
        self.queue.consumer().next_batch(10).await.unwrap()
    }

    async fn settle(&self, messages: &[QueuedMessage], tracer: &Arc<dyn Tracer>) {
        let settle =
            SettleOrders::new(self.store.clone(), self.clock.clone(), most_available_first)
                .with_tracer(Arc::clone(tracer));
        let ids = messages.iter().flat_map(|it| it.order_ids.clone());
        let ids: Vec<OrderId> = ids.collect();
        let published: Traces = messages.iter().flat_map(|it| it.traces.clone()).collect();
        settle.settle_traced(&ids, &published).await.unwrap();
    }
}

fn request() -> OrderRequest {
    OrderRequest {
        product_id: ProductId::parse("p").unwrap(),
        quantity: Quantity::parse(1).unwrap(),
    }
}

fn order(trace: Option<SpanContext>) -> NewOrder {
    NewOrder {
        request: request(),
        key: None,
        batch: None,
        trace,
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn each_stage_continues_the_trace_of_the_request() {
    let recording = Arc::new(RecordingTracer::default());
    let tracer: Arc<dyn Tracer> = recording.clone();
    let flow = Flow::start(&tracer);
    let request = tracer.new_trace().unwrap();
    let placed = flow.batcher.place(order(Some(request))).await.unwrap();
    flow.batcher.place(order(None)).await.unwrap();
    let messages = flow.receive().await;
    flow.settle(&messages, &tracer).await;

    let spans = recording.take();
    let of_order: Vec<Span> = spans
        .iter()
        .filter(|span| span.context.trace_id == request.trace_id)
        .cloned()
        .collect();
    let stage = |name| {
        let found = named(&of_order, name);
        assert_eq!(found.len(), 1, "{name}: {spans:#?}");
        found[0].clone()
    };
    let [accept, publish, settle] = ["accept orders", "publish orders", "settle orders"].map(stage);
    assert_eq!(accept.parent, Some(request.span_id));
    assert_eq!(publish.parent, Some(request.span_id));
    assert_eq!(settle.parent, Some(publish.context.span_id));
    assert!(accept.ended <= publish.started && publish.ended <= settle.started);
    for (stage, batch) in [(&accept, 1_i64), (&publish, 2), (&settle, 2)] {
        let expected = [
            ("order.id", placed.order.id.0.into()),
            ("order.batch_size", batch.into()),
        ];
        assert_eq!(stage.attributes, expected);
    }
    // The steps follow each other and together last as long as their stage.
    let steps: Vec<&Span> = of_order
        .iter()
        .filter(|span| span.parent == Some(settle.context.span_id))
        .collect();
    let names: Vec<&str> = steps.iter().map(|step| &*step.name).collect();
    let expected = [
        "lock orders and stock",
        "decide",
        "save settlement",
        "commit settlement",
    ];
    assert_eq!(names, expected);
    assert_eq!(steps[0].started, settle.started);
    assert!(steps.is_sorted_by(|one, next| one.ended == next.started));
    assert_eq!(steps[3].ended, settle.ended);
    let ids: BTreeSet<SpanContext> = spans.iter().map(|span| span.context).collect();
    assert_eq!(ids.len(), spans.len(), "each span has an id of its own");
}

#[tokio::test]
async fn span_of_a_batch_and_the_spans_of_its_orders_are_linked() {
    let recording = Arc::new(RecordingTracer::default());
    let tracer: Arc<dyn Tracer> = recording.clone();
    let flow = Flow::start(&tracer);
    let requests = [tracer.new_trace().unwrap(), tracer.new_trace().unwrap()];
    for request in requests {
        flow.batcher.place(order(Some(request))).await.unwrap();
    }
    recording.take();
    let messages = flow.receive().await;
    flow.settle(&messages, &tracer).await;
    let spans = recording.take();
    for stage in ["publish orders", "settle orders"] {
        let (of_batch, of_orders): (Vec<_>, Vec<_>) = named(&spans, stage)
            .into_iter()
            .partition(|span| span.parent.is_none());
        assert_eq!((of_batch.len(), of_orders.len()), (1, 2), "{stage}");
        let contexts: Vec<SpanContext> = of_orders.iter().map(|span| span.context).collect();
        assert_eq!(of_batch[0].links, contexts);
        for span in of_orders {
            assert_eq!(span.links, [of_batch[0].context]);
        }
    }
}

#[tokio::test]
async fn trace_of_a_batch_request_follows_its_first_order() {
    let recording = Arc::new(RecordingTracer::default());
    let tracer: Arc<dyn Tracer> = recording.clone();
    let flow = Flow::start(&tracer);
    let placed = flow.batcher.place_all(NewBatch {
        requests: vec![request(), request(), request()],
        key: None,
        trace: tracer.new_trace(),
    });
    let placed = placed.await.unwrap();
    let messages = flow.receive().await;
    let order_ids: Vec<OrderId> = messages
        .iter()
        .flat_map(|it| it.traces.iter().map(|(id, _)| *id))
        .collect();
    assert_eq!(order_ids, [placed.orders[0].id]);
}

#[tokio::test]
async fn repeat_of_a_traced_request_records_no_batch() {
    let recording = Arc::new(RecordingTracer::default());
    let tracer: Arc<dyn Tracer> = recording.clone();
    let flow = Flow::start(&tracer);
    let keyed = || NewOrder {
        key: Some(IdempotencyKey::parse("", "k").unwrap()),
        ..order(tracer.new_trace())
    };
    flow.batcher.place(keyed()).await.unwrap();
    assert_ne!(recording.take(), []);
    assert!(flow.batcher.place(keyed()).await.unwrap().replayed);
    assert_eq!(recording.take(), []);
}

/// A process that records no spans passes the trace on to those that do.
#[tokio::test]
async fn trace_passes_through_a_process_that_records_nothing() {
    let noop: Arc<dyn Tracer> = Arc::new(NoopTracer);
    let flow = Flow::start(&noop);
    let recording = Arc::new(RecordingTracer::default());
    let tracer: Arc<dyn Tracer> = recording.clone();
    let request = tracer.new_trace().unwrap();
    flow.batcher.place(order(Some(request))).await.unwrap();
    let messages = flow.receive().await;
    assert_eq!(messages[0].traces[0].1, request);
    flow.settle(&messages, &tracer).await;
    let spans = recording.take();
    let settled = named(&spans, "settle orders");
    assert_eq!(settled[0].parent, Some(request.span_id));
}
