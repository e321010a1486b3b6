-- When the report was requested that was applied last to all of its products.
ALTER TABLE vendor_evidence ADD COLUMN completed_requested_at INTEGER;
-- Number of transactions that have applied a report or a part of one: a sync that has compared a report without a lock sees
-- whether another one has written meanwhile.
ALTER TABLE vendor_evidence ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
