-- An outbox entry holds the orders of one transaction: JSON arrays of their ids and their products.
CREATE TABLE outbox_of_batches (
    -- AUTOINCREMENT: whoever removes an entry late must not hit a newer one of the same number.
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    order_ids     TEXT NOT NULL,
    product_ids   TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    claimed_until INTEGER,
    CONSTRAINT outbox_product_for_each_order CHECK (
        json_array_length(order_ids) > 0 AND json_array_length(order_ids) = json_array_length(product_ids)
    )
) STRICT;
INSERT INTO outbox_of_batches (id, order_ids, product_ids, created_at, claimed_until)
    SELECT id, json_array(order_id), json_array(product_id), created_at, claimed_until FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_of_batches RENAME TO outbox;
