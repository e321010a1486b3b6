-- The name of the file or object that the report was read from.
ALTER TABLE vendor_runs ADD COLUMN file TEXT;
-- The size and the file of the report in quarantine, as crates/storage-sql/src/quarantine.rs reads them.
ALTER TABLE vendor_evidence ADD COLUMN held_document TEXT;
