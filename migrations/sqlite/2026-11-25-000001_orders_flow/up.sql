-- Stock, orders and what moves orders from one to the other: the tables of migrations/postgres, in SQLite's terms.
--
-- Moments are microseconds since 1970-01-01T00:00:00Z. Text compares byte by byte (collation BINARY, the default).

-- What can still be sold.
CREATE TABLE stock (
    product_id TEXT NOT NULL PRIMARY KEY CHECK (length(product_id) BETWEEN 1 AND 128),
    quantity   INTEGER NOT NULL DEFAULT 0 CHECK (quantity >= 0),
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX stock_in_stock ON stock (product_id) WHERE quantity > 0;

CREATE TABLE orders (
    -- Given by the program, which gives none twice.
    id          INTEGER NOT NULL PRIMARY KEY,
    product_id  TEXT NOT NULL CHECK (length(product_id) BETWEEN 1 AND 128),
    quantity    INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    status      TEXT NOT NULL DEFAULT 'PENDING' CHECK (
        status IN ('PENDING', 'CONFIRMED', 'REJECTED', 'CANCELLED', 'SHIPPED', 'DELIVERED')
    ),
    reason      TEXT CHECK (reason IN ('INSUFFICIENT_STOCK', 'UNKNOWN_PRODUCT', 'MANUAL')),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    -- How often, and when last, the sweeper put it back into the outbox.
    requeues    INTEGER NOT NULL DEFAULT 0 CHECK (requeues >= 0),
    requeued_at INTEGER,
    CONSTRAINT orders_rejected_with_reason CHECK ((status = 'REJECTED') = (reason IS NOT NULL))
) STRICT;
-- The id, by which pages continue, stands at the end of every index by itself.
CREATE INDEX orders_by_product ON orders (product_id);
CREATE INDEX orders_by_status ON orders (status);
CREATE INDEX orders_by_product_and_status ON orders (product_id, status);

-- Each vendor that was ever configured, with its last sync.
CREATE TABLE vendor_syncs (
    vendor_id     TEXT NOT NULL PRIMARY KEY CHECK (length(vendor_id) BETWEEN 1 AND 128),
    configured    INTEGER NOT NULL CHECK (configured IN (0, 1)),
    -- As-of of the last report that was applied, and of the last full one among them.
    applied_as_of INTEGER,
    full_as_of    INTEGER,
    outcome       TEXT CHECK (outcome IN ('APPLIED', 'STALE', 'FAILED')),
    finished_at   INTEGER,
    duration_ms   INTEGER CHECK (duration_ms >= 0),
    received      INTEGER CHECK (received >= 0),
    changed       INTEGER CHECK (changed >= 0),
    error         TEXT,
    CONSTRAINT vendor_syncs_finished_with_outcome CHECK ((outcome IS NULL) = (finished_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE vendor_stock (
    product_id TEXT NOT NULL REFERENCES stock,
    vendor_id  TEXT NOT NULL REFERENCES vendor_syncs,
    reported   INTEGER NOT NULL CHECK (reported BETWEEN 0 AND 2147483647),
    -- Sold here and not known to the last report: the sum of the allocations without known_as_of.
    in_flight  INTEGER NOT NULL DEFAULT 0 CHECK (in_flight BETWEEN 0 AND 2147483647),
    as_of      INTEGER NOT NULL,
    PRIMARY KEY (product_id, vendor_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX vendor_stock_by_vendor ON vendor_stock (vendor_id);

CREATE TABLE allocations (
    order_id    INTEGER NOT NULL REFERENCES orders,
    vendor_id   TEXT NOT NULL,
    product_id  TEXT NOT NULL,
    quantity    INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    shipped_at  INTEGER,
    -- As-of of the first report that knew of the shipment; until then the units are in flight.
    known_as_of INTEGER,
    PRIMARY KEY (order_id, vendor_id),
    FOREIGN KEY (product_id, vendor_id) REFERENCES vendor_stock,
    CONSTRAINT allocations_known_after_shipped CHECK (known_as_of IS NULL OR shipped_at < known_as_of),
    CONSTRAINT allocations_shipped_before_known CHECK (known_as_of IS NULL OR shipped_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX allocations_shipped_not_known ON allocations (vendor_id, product_id, shipped_at)
    WHERE shipped_at IS NOT NULL AND known_as_of IS NULL;

-- Orders that are accepted and not yet handed to the queue.
CREATE TABLE outbox (
    -- AUTOINCREMENT: whoever removes an entry late must not hit a newer one of the same number.
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    order_id      INTEGER NOT NULL UNIQUE REFERENCES orders,
    product_id    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    claimed_until INTEGER
) STRICT;

CREATE TABLE idempotency_keys (
    scope      TEXT NOT NULL,
    key        TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    order_id   INTEGER NOT NULL REFERENCES orders,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
