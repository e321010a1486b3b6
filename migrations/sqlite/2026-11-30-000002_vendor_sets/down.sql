ALTER TABLE vendor_syncs DROP COLUMN configured_at;
ALTER TABLE vendor_syncs DROP COLUMN source;
DROP TABLE vendor_sets;
