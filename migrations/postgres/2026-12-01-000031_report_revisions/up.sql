ALTER TABLE vendor_evidence
    -- When the report was requested that was applied last to all of its products.
    ADD COLUMN completed_requested_at timestamptz,
    -- Number of transactions that have applied a report or a part of one: a sync that has compared a report without a lock sees
    -- whether another one has written meanwhile.
    ADD COLUMN revision bigint NOT NULL DEFAULT 0;
