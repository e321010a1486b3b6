ALTER TABLE vendor_syncs DROP COLUMN source, DROP COLUMN configured_at;
DROP TABLE vendor_sets;
