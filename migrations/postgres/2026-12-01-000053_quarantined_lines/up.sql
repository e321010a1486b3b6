-- Lines of reports in quarantine: the report that vendor_evidence names, and for a short time those of reports that it does not
-- name yet or no longer names.
CREATE TABLE quarantined_lines (
    vendor_id    text COLLATE "C" NOT NULL REFERENCES vendor_syncs,
    -- When the report was requested.
    requested_at timestamptz NOT NULL,
    product_id   text COLLATE "C" NOT NULL,
    quantity     integer NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (vendor_id, requested_at, product_id)
);

ALTER TABLE vendor_evidence
    -- A report in quarantine that is not simply empty. Not in quarantined: programs of earlier versions apply that as an empty
    -- report.
    ADD COLUMN held text,
    -- Why a report is in quarantine.
    ADD COLUMN held_reason text;
