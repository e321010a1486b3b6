-- The sets of vendors that were ever applied, by the hash of their content; the one with the highest version is current.
CREATE TABLE vendor_sets (
    digest           TEXT NOT NULL PRIMARY KEY CHECK (length(digest) = 64),
    version          INTEGER NOT NULL UNIQUE CHECK (version > 0),
    first_applied_at INTEGER NOT NULL,
    applied_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where the vendor's reports are read, without secrets; none for a vendor whose stock is entered by hand.
ALTER TABLE vendor_syncs ADD COLUMN source TEXT;
-- When the vendor was last switched on; none if that was before this column existed.
ALTER TABLE vendor_syncs ADD COLUMN configured_at INTEGER;
