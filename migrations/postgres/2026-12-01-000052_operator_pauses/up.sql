-- Since when an operator has paused the scheduled syncs of the vendor, and why; none if they are not paused.
ALTER TABLE vendor_syncs
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN pause_reason text,
    ADD CONSTRAINT vendor_syncs_pause_reason_check CHECK (pause_reason IS NULL OR paused_at IS NOT NULL);
