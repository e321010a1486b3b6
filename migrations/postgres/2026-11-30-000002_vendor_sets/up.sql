-- The sets of vendors that were ever applied, by the hash of their content; the one with the highest version is current.
CREATE TABLE vendor_sets (
    digest           text COLLATE "C" PRIMARY KEY CHECK (char_length(digest) = 64),
    version          bigint NOT NULL UNIQUE CHECK (version > 0),
    first_applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE vendor_syncs
    -- Where the vendor's reports are read, without secrets; none for a vendor whose stock is entered by hand.
    ADD COLUMN source text COLLATE "C",
    -- When the vendor was last switched on; none if that was before this column existed.
    ADD COLUMN configured_at timestamptz;
