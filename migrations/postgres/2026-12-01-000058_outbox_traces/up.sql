-- The W3C `traceparent` of each order of the entry, NULL for an order without a recorded trace; NULL if no order has one.
ALTER TABLE outbox ADD COLUMN traceparents text[];
