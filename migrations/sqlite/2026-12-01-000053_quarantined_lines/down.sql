ALTER TABLE vendor_evidence DROP COLUMN held_reason;
ALTER TABLE vendor_evidence DROP COLUMN held;
DROP TABLE quarantined_lines;
