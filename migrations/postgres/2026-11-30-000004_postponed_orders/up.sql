-- An entry is not claimed before this moment: its orders wait for a row that another transaction keeps locked, or for a
-- vendor that was not tried yet. A relay of the earlier version does not know the column and claims the entry at once.
ALTER TABLE outbox ADD COLUMN not_before timestamptz;

-- Entries of the outbox that no version of this program writes. The relay moves them here, so that they stop nothing.
CREATE TABLE outbox_unreadable (
    id          bigint PRIMARY KEY,
    order_ids   bigint[] NOT NULL,
    product_ids text[] NOT NULL,
    created_at  timestamptz NOT NULL,
    moved_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
