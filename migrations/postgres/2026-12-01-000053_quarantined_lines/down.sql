ALTER TABLE vendor_evidence DROP COLUMN held_reason, DROP COLUMN held;
DROP TABLE quarantined_lines;
