-- The W3C `traceparent` of each order of the entry, as a JSON array with null for an order without a recorded trace; NULL if no
-- order has one.
ALTER TABLE outbox ADD COLUMN traceparents text;
