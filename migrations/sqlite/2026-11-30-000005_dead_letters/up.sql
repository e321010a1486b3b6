-- Orders that settlement gave up, with the reason: at most one row for each order, which stays PENDING. Without a foreign
-- key, so that an order that was damaged or deleted by hand can be recorded and pruned as well.
CREATE TABLE dead_letters (
    order_id   INTEGER NOT NULL PRIMARY KEY,
    reason     TEXT NOT NULL CHECK (length(reason) <= 500),
    attempts   INTEGER NOT NULL DEFAULT 1 CHECK (attempts > 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
