CREATE TABLE outbox_of_orders (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    order_id      INTEGER NOT NULL UNIQUE REFERENCES orders,
    product_id    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    claimed_until INTEGER
) STRICT;
INSERT INTO outbox_of_orders (order_id, product_id, created_at)
    SELECT i.value, p.value, b.created_at
    FROM outbox b, json_each(b.order_ids) i JOIN json_each(b.product_ids) p ON p.key = i.key ORDER BY b.id, i.key;
DROP TABLE outbox;
ALTER TABLE outbox_of_orders RENAME TO outbox;
