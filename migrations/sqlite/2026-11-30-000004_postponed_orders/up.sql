-- An entry is not claimed before this moment: its orders wait for a vendor that was not tried yet, or for a row that
-- another transaction keeps locked.
ALTER TABLE outbox ADD COLUMN not_before INTEGER;

-- Entries of the outbox that no version of this program writes. The relay moves them here, so that they stop nothing.
CREATE TABLE outbox_unreadable (
    id          INTEGER NOT NULL PRIMARY KEY,
    order_ids   TEXT NOT NULL,
    product_ids TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    moved_at    INTEGER NOT NULL
) STRICT;
