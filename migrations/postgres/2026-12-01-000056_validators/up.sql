-- What identifies the version of the last applied report at its source, so that it is requested only if it has changed;
-- crates/storage-sql/src/validators.rs reads it.
ALTER TABLE vendor_evidence ADD COLUMN validators text;
