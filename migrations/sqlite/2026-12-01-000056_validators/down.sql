ALTER TABLE vendor_evidence DROP COLUMN validators;
