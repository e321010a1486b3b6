-- Vendors whose last sync failed, each until its next success. A table of its own, because programs of earlier versions read
-- all columns of vendor_syncs.
CREATE TABLE vendor_pauses (
    vendor_id     text COLLATE "C" PRIMARY KEY REFERENCES vendor_syncs,
    -- The vendor's own demand (Retry-After): no request before this instant.
    not_before    timestamptz,
    -- The growing interval of this service: no scheduled request before this instant.
    backoff_until timestamptz,
    -- Consecutive failures.
    failures      integer NOT NULL CHECK (failures >= 0)
) WITH (fillfactor = 50);
