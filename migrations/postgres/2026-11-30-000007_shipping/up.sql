-- The oldest shipment that no report includes yet: an entry for each allocation from its shipment to that report.
CREATE INDEX allocations_shipped_by_age ON allocations (shipped_at)
    WHERE shipped_at IS NOT NULL AND known_as_of IS NULL;
