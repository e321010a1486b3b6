-- What each transaction has changed, for those who wait for that; kept for a time. Read in the order of the transactions'
-- numbers, and no further than to the first that is still open.
CREATE TABLE changes (
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq         bigint GENERATED ALWAYS AS IDENTITY,
    order_ids   bigint[] NOT NULL DEFAULT '{}',
    product_ids text[] COLLATE "C" NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (xid, seq),
    CONSTRAINT changes_of_something CHECK (cardinality(order_ids) + cardinality(product_ids) > 0)
) WITH (
    -- Rows come at one end and go at the other.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000
);

-- The last row that was forgotten: who has read no further has missed something.
CREATE TABLE changes_forgotten (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    xid     xid8 NOT NULL DEFAULT '0',
    seq     bigint NOT NULL DEFAULT 0
);
INSERT INTO changes_forgotten DEFAULT VALUES;
