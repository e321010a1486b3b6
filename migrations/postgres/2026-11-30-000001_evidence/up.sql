-- What reports prove. A table of its own, because programs of earlier versions read all columns of vendor_syncs.
CREATE TABLE vendor_evidence (
    vendor_id            text COLLATE "C" PRIMARY KEY REFERENCES vendor_syncs,
    -- When the reports were requested to which vendor_syncs.applied_as_of and full_as_of belong.
    applied_requested_at timestamptz,
    full_requested_at    timestamptz,
    -- What the last applied report proves: shipments before as_of are included, by this evidence; or why it proves nothing.
    as_of                timestamptz,
    evidence             text COLLATE "C" CHECK (evidence IN ('document', 'last_modified', 'date', 'file_time')),
    no_evidence          text COLLATE "C",
    -- The vendor's clock less this one.
    clock_skew_ms        bigint,
    -- Claims that were seen, one a line, and the report in quarantine; crates/storage-sql/src/history.rs reads them.
    claims               text,
    quarantined          text,
    CONSTRAINT vendor_evidence_of_as_of CHECK ((as_of IS NULL) = (evidence IS NULL)),
    CONSTRAINT vendor_evidence_or_reason CHECK (evidence IS NULL OR no_evidence IS NULL)
) WITH (fillfactor = 50);

-- When the report was requested whose delta last named the position; full reports are in vendor_evidence.
ALTER TABLE vendor_stock ADD COLUMN requested_at timestamptz;

ALTER TABLE vendor_syncs
    DROP CONSTRAINT vendor_syncs_outcome_check,
    ADD CONSTRAINT vendor_syncs_outcome_check
        CHECK (outcome IN ('APPLIED', 'STALE', 'FAILED', 'QUARANTINED', 'NOT_MODIFIED', 'NOT_READY'));
