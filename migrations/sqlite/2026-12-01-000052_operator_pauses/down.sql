ALTER TABLE vendor_syncs DROP COLUMN pause_reason;
ALTER TABLE vendor_syncs DROP COLUMN paused_at;
