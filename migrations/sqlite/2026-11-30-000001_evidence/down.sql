ALTER TABLE vendor_stock DROP COLUMN requested_at;
DROP TABLE vendor_evidence;
UPDATE vendor_syncs SET outcome = 'FAILED' WHERE outcome NOT IN ('APPLIED', 'STALE', 'FAILED');
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
    outcome       TEXT CHECK (outcome IN ('APPLIED', 'STALE', 'FAILED')),
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
