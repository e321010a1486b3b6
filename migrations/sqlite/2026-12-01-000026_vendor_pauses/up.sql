-- Vendors whose last sync failed, each until its next success.
CREATE TABLE vendor_pauses (
    vendor_id     TEXT NOT NULL PRIMARY KEY REFERENCES vendor_syncs,
    -- The vendor's own demand (Retry-After): no request before this instant.
    not_before    INTEGER,
    -- The growing interval of this service: no scheduled request before this instant.
    backoff_until INTEGER,
    -- Consecutive failures.
    failures      INTEGER NOT NULL CHECK (failures >= 0)
) STRICT, WITHOUT ROWID;
