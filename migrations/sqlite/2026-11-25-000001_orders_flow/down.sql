DROP TABLE idempotency_keys;
DROP TABLE outbox;
DROP TABLE allocations;
DROP TABLE vendor_stock;
DROP TABLE vendor_syncs;
DROP TABLE orders;
DROP TABLE stock;
