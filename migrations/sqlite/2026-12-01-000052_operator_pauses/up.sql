-- Since when an operator has paused the scheduled syncs of the vendor, and why; none if they are not paused.
ALTER TABLE vendor_syncs ADD COLUMN paused_at INTEGER;
ALTER TABLE vendor_syncs ADD COLUMN pause_reason TEXT CHECK (pause_reason IS NULL OR paused_at IS NOT NULL);
