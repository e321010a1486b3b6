-- Lines of reports in quarantine: the report that vendor_evidence names, and for a short time those of reports that it does not
-- name yet or no longer names.
CREATE TABLE quarantined_lines (
    vendor_id    TEXT NOT NULL REFERENCES vendor_syncs,
    -- When the report was requested.
    requested_at INTEGER NOT NULL,
    product_id   TEXT NOT NULL,
    quantity     INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 2147483647),
    PRIMARY KEY (vendor_id, requested_at, product_id)
) STRICT, WITHOUT ROWID;

-- A report in quarantine that is not simply empty. Not in quarantined: programs of earlier versions apply that as an empty
-- report.
ALTER TABLE vendor_evidence ADD COLUMN held TEXT;
-- Why a report is in quarantine.
ALTER TABLE vendor_evidence ADD COLUMN held_reason TEXT;
