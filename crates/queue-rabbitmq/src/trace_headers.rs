//! The headers of a message for traced orders.
//!
//! `traceparent` is that of the first traced order, for programs that know only one per message. `traceparents` is a table by order
//! id, because a message has up to 1,024 orders, each with a trace of its own; it has at most [`MAX_TRACES_PER_MESSAGE`].

use amiquip::{AmqpProperties, AmqpValue, FieldTable};
use domain::identifiers::OrderId;
use domain::trace::SpanContext;

#[cfg(doc)]
use crate::message::MAX_TRACES_PER_MESSAGE;

const ONE: &str = "traceparent";
const BY_ORDER: &str = "traceparents";

/// Adds the headers, if an order is traced.
pub(crate) fn write(
    properties: AmqpProperties,
    traces: &[(OrderId, SpanContext)],
) -> AmqpProperties {
    let Some((_, first)) = traces.first() else {
        return properties;
    };
    let value = |context: &SpanContext| AmqpValue::LongString(context.to_string());
    let by_order = traces
        .iter()
        .map(|(order_id, context)| (order_id.0.to_string(), value(context)));
    let mut headers = FieldTable::new();
    headers.insert(ONE.to_owned(), value(first));
    headers.insert(
        BY_ORDER.to_owned(),
        AmqpValue::FieldTable(by_order.collect()),
    );
    properties.with_headers(headers)
}

/// Returns the span of each traced order. Values that cannot be read are ignored: only the trace ends then.
pub(crate) fn read(properties: &AmqpProperties) -> Vec<(OrderId, SpanContext)> {
    let headers = properties.headers().as_ref();
    let Some(AmqpValue::FieldTable(by_order)) = headers.and_then(|it| it.get(BY_ORDER)) else {
        return Vec::new();
    };
    let traces = by_order.iter().filter_map(|(order_id, value)| {
        let AmqpValue::LongString(text) = value else {
            return None;
        };
        let order_id = OrderId(order_id.parse().ok()?);
        Some((order_id, SpanContext::parse_recorded(text)?))
    });
    traces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(number: u8) -> SpanContext {
        let text = format!("00-{number:032x}-{number:016x}-01");
        SpanContext::parse_recorded(&text).unwrap()
    }

    #[test]
    fn headers_are_read_as_written() {
        let traces = [(OrderId(7), context(1)), (OrderId(9), context(2))];
        let properties = write(AmqpProperties::default(), &traces);
        assert_eq!(read(&properties), traces);
        let headers = properties.headers().as_ref().unwrap();
        let first = AmqpValue::LongString(context(1).to_string());
        assert_eq!(headers.get(ONE), Some(&first));
    }

    #[test]
    fn message_without_traced_orders_has_no_headers() {
        let properties = write(AmqpProperties::default(), &[]);
        assert_eq!(properties, AmqpProperties::default());
        assert_eq!(read(&properties), []);
    }

    #[test]
    fn unreadable_values_are_ignored() {
        let text = |text: &str| AmqpValue::LongString(text.to_owned());
        let by_order: FieldTable = [
            ("7".to_owned(), text(&context(1).to_string())),
            ("8".to_owned(), text("00-0-0-01")),
            ("x".to_owned(), text(&context(1).to_string())),
            ("9".to_owned(), AmqpValue::Boolean(true)),
        ]
        .into_iter()
        .collect();
        for (value, expected) in [
            (
                AmqpValue::FieldTable(by_order),
                vec![(OrderId(7), context(1))],
            ),
            (text("7"), Vec::new()),
        ] {
            let mut headers = FieldTable::new();
            headers.insert(BY_ORDER.to_owned(), value);
            let properties = AmqpProperties::default().with_headers(headers);
            assert_eq!(read(&properties), expected);
        }
    }
}
