DROP TRIGGER keep_allocated ON vendor_stock;
DROP TRIGGER keep_allocated ON orders;
DROP FUNCTION keep_what_is_allocated;
DROP TRIGGER refuse_to_move ON allocations;
DROP FUNCTION refuse_to_move_allocations;
DROP TRIGGER check_added ON allocations;
DROP FUNCTION check_added_allocations;
ALTER TABLE allocations
    ADD CONSTRAINT allocations_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders,
    ADD CONSTRAINT allocations_product_id_vendor_id_fkey FOREIGN KEY (product_id, vendor_id) REFERENCES vendor_stock;

CREATE INDEX orders_by_product ON orders (product_id, id);

LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE;
ALTER TABLE outbox ADD COLUMN order_id bigint, ADD COLUMN product_id text COLLATE "C";
CREATE TEMPORARY TABLE boxed ON COMMIT DROP AS
    SELECT o.order_id, o.product_id, outbox.created_at
    FROM outbox, unnest(order_ids, product_ids) AS o (order_id, product_id) ORDER BY outbox.id, o.order_id;
DELETE FROM outbox;
ALTER TABLE outbox DROP COLUMN order_ids, DROP COLUMN product_ids;
INSERT INTO outbox (order_id, product_id, created_at) SELECT * FROM boxed;
ALTER TABLE outbox
    ALTER COLUMN order_id SET NOT NULL,
    ALTER COLUMN product_id SET NOT NULL,
    ADD CONSTRAINT outbox_order_id_key UNIQUE (order_id),
    ADD CONSTRAINT outbox_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders;
