UPDATE vendor_syncs SET outcome = 'FAILED' WHERE outcome NOT IN ('APPLIED', 'STALE', 'FAILED');
ALTER TABLE vendor_syncs
    DROP CONSTRAINT vendor_syncs_outcome_check,
    ADD CONSTRAINT vendor_syncs_outcome_check CHECK (outcome IN ('APPLIED', 'STALE', 'FAILED'));
ALTER TABLE vendor_stock DROP COLUMN requested_at;
DROP TABLE vendor_evidence;
