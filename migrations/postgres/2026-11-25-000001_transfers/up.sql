-- Deployments that were moved here from another store (cargo xtask import), and how far.
CREATE TABLE transfers (
    name        text COLLATE "C" PRIMARY KEY,
    -- So many of its records are here.
    records     bigint NOT NULL DEFAULT 0 CHECK (records >= 0),
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
