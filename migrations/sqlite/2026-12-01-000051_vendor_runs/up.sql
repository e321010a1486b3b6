-- The runs of each vendor's syncs. The newest run of a vendor is its last sync, which is in vendor_syncs too.
CREATE TABLE vendor_runs (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    vendor_id     TEXT NOT NULL REFERENCES vendor_syncs,
    started_at    INTEGER NOT NULL,
    finished_at   INTEGER NOT NULL,
    outcome       TEXT NOT NULL CHECK (outcome IN ('APPLIED', 'STALE', 'FAILED', 'QUARANTINED', 'NOT_MODIFIED', 'NOT_READY')),
    -- What the report proves: shipments before as_of are included, by this evidence.
    evidence      TEXT CHECK (evidence IN ('document', 'last_modified', 'date', 'file_time')),
    as_of         INTEGER,
    -- Size of the transferred document, and number of its records.
    bytes         INTEGER CHECK (bytes >= 0),
    rows          INTEGER CHECK (rows >= 0),
    -- Numbers of products by the change of their reported quantity.
    added         INTEGER NOT NULL CHECK (added >= 0),
    changed       INTEGER NOT NULL CHECK (changed >= 0),
    unchanged     INTEGER NOT NULL CHECK (unchanged >= 0),
    zeroed        INTEGER NOT NULL CHECK (zeroed >= 0),
    -- The first refused records, as a JSON array that crates/storage-sql/src/runs.rs reads, and the number of all.
    refused       TEXT CHECK (refused LIKE '[%]'),
    refused_count INTEGER NOT NULL CHECK (refused_count >= 0),
    guard         TEXT,
    error         TEXT,
    CONSTRAINT vendor_runs_of_as_of CHECK ((as_of IS NULL) = (evidence IS NULL)),
    CONSTRAINT vendor_runs_of_refused CHECK ((refused IS NULL) = (refused_count = 0)),
    CONSTRAINT vendor_runs_of_times CHECK (started_at <= finished_at)
) STRICT;
-- Its entries have the id too, in its order.
CREATE INDEX vendor_runs_by_vendor ON vendor_runs (vendor_id);
