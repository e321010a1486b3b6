-- Orders that settlement gave up, with the reason: at most one row for each order, which stays PENDING. Without a foreign
-- key, so that an order that was damaged or deleted by hand can be recorded and pruned as well.
CREATE TABLE dead_letters (
    order_id   bigint PRIMARY KEY,
    reason     text NOT NULL CHECK (length(reason) <= 500),
    attempts   integer NOT NULL DEFAULT 1 CHECK (attempts > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Consumers of the order queues that are alive, so that they can share the queues. A row that was not renewed is removed.
CREATE TABLE queue_consumers (
    id      text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    seen_at timestamptz NOT NULL
);
