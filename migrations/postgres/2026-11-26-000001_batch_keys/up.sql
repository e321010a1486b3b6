-- What the batch asks for whose key this is; none for the key of an order alone. The batch's first order has the key
-- itself, each other one a key that is derived from it.
ALTER TABLE idempotency_keys
    ADD COLUMN batch_digest text COLLATE "C" CHECK (char_length(batch_digest) BETWEEN 1 AND 64);
