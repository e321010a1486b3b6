-- More results of a sync; SQLite changes a CHECK only with its table.
-- Positions refer to the table: its rows go and come back under the same name, in one transaction.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE vendor_syncs_copy AS SELECT vendor_id, configured, applied_as_of, full_as_of, outcome, finished_at, duration_ms, received, changed, error
    FROM vendor_syncs;
DROP TABLE vendor_syncs;
CREATE TABLE vendor_syncs (
    vendor_id     TEXT NOT NULL PRIMARY KEY CHECK (length(vendor_id) BETWEEN 1 AND 128),
    configured    INTEGER NOT NULL CHECK (configured IN (0, 1)),
    -- Order of the last report that was applied, and of the last full one among them.
    applied_as_of INTEGER,
    full_as_of    INTEGER,
    outcome       TEXT CHECK (outcome IN ('APPLIED', 'STALE', 'FAILED', 'QUARANTINED', 'NOT_MODIFIED', 'NOT_READY')),
    finished_at   INTEGER,
    duration_ms   INTEGER CHECK (duration_ms >= 0),
    received      INTEGER CHECK (received >= 0),
    changed       INTEGER CHECK (changed >= 0),
    error         TEXT,
    CONSTRAINT vendor_syncs_finished_with_outcome CHECK ((outcome IS NULL) = (finished_at IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO vendor_syncs (vendor_id, configured, applied_as_of, full_as_of, outcome, finished_at, duration_ms, received, changed, error)
    SELECT vendor_id, configured, applied_as_of, full_as_of, outcome, finished_at, duration_ms, received, changed, error
    FROM vendor_syncs_copy;
DROP TABLE vendor_syncs_copy;

-- What reports prove.
CREATE TABLE vendor_evidence (
    vendor_id            TEXT NOT NULL PRIMARY KEY REFERENCES vendor_syncs,
    -- When the reports were requested to which vendor_syncs.applied_as_of and full_as_of belong.
    applied_requested_at INTEGER,
    full_requested_at    INTEGER,
    -- What the last applied report proves: shipments before as_of are included, by this evidence; or why it proves nothing.
    as_of                INTEGER,
    evidence             TEXT CHECK (evidence IN ('document', 'last_modified', 'date', 'file_time')),
    no_evidence          TEXT,
    -- The vendor's clock less this one.
    clock_skew_ms        INTEGER,
    -- Claims that were seen, one a line, and the report in quarantine; crates/storage-sql/src/history.rs reads them.
    claims               TEXT,
    quarantined          TEXT,
    CONSTRAINT vendor_evidence_of_as_of CHECK ((as_of IS NULL) = (evidence IS NULL)),
    CONSTRAINT vendor_evidence_or_reason CHECK (evidence IS NULL OR no_evidence IS NULL)
) STRICT, WITHOUT ROWID;

-- When the report was requested whose delta last named the position; full reports are in vendor_evidence.
ALTER TABLE vendor_stock ADD COLUMN requested_at INTEGER;
