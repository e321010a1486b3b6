ALTER TABLE vendor_evidence DROP COLUMN completed_requested_at, DROP COLUMN revision;
