ALTER TABLE vendor_evidence DROP COLUMN revision;
ALTER TABLE vendor_evidence DROP COLUMN completed_requested_at;
