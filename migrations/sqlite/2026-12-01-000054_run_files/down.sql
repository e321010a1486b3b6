ALTER TABLE vendor_evidence DROP COLUMN held_document;
ALTER TABLE vendor_runs DROP COLUMN file;
