ALTER TABLE idempotency_keys DROP COLUMN batch_digest;
