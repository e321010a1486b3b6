-- What an order costs, without giving up a guarantee: rows and checks for each batch where there was one for each order.

-- An entry holds the orders of one transaction. Programs of the earlier version cannot read it: they are to be stopped.
LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE;
ALTER TABLE outbox ADD COLUMN order_ids bigint[], ADD COLUMN product_ids text[] COLLATE "C";
UPDATE outbox SET order_ids = ARRAY[order_id], product_ids = ARRAY[product_id];
ALTER TABLE outbox
    DROP COLUMN order_id,
    DROP COLUMN product_id,
    ALTER COLUMN order_ids SET NOT NULL,
    ALTER COLUMN product_ids SET NOT NULL,
    ADD CONSTRAINT outbox_product_for_each_order
        CHECK (cardinality(order_ids) > 0 AND cardinality(order_ids) = cardinality(product_ids));

-- An order's every index costs twice, when it comes and when it is settled. A product's orders are read through
-- orders_by_product_and_status: its six ranges, one for each status, merged.
DROP INDEX orders_by_product;

-- A foreign key is checked for each row by a query of its own, which cost a fifth of what an order costs here. These
-- triggers check the same, and that the product is the order's, for all rows of a statement at once. They look without
-- locking: what an allocation refers to is locked by the transaction that adds it (orders by settlement, positions by
-- settlement and syncs), and is not deleted by any program of this project.
ALTER TABLE allocations
    DROP CONSTRAINT allocations_order_id_fkey,
    DROP CONSTRAINT allocations_product_id_vendor_id_fkey;

CREATE FUNCTION check_added_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stray record;
BEGIN
    SELECT added.order_id, added.vendor_id, added.product_id INTO stray
    FROM added LEFT JOIN orders ON orders.id = added.order_id
    WHERE orders.product_id IS DISTINCT FROM added.product_id LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('there is no order %s of product "%s" for an allocation', stray.order_id, stray.product_id),
            TABLE = 'allocations';
    END IF;
    SELECT product_id, vendor_id INTO stray
    FROM (SELECT DISTINCT product_id, vendor_id FROM added) AS position
    WHERE NOT EXISTS (
        SELECT FROM vendor_stock AS v WHERE v.product_id = position.product_id AND v.vendor_id = position.vendor_id
    ) LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('vendor "%s" has no position in product "%s" for an allocation', stray.vendor_id, stray.product_id),
            TABLE = 'allocations';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_added AFTER INSERT ON allocations
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION check_added_allocations();

-- An update may not make an allocation another one's.
CREATE FUNCTION refuse_to_move_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = 'an allocation stays with its order, vendor and product', TABLE = 'allocations';
END $$;
CREATE TRIGGER refuse_to_move BEFORE UPDATE OF order_id, vendor_id, product_id ON allocations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_move_allocations();

CREATE FUNCTION keep_what_is_allocated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_used boolean;
BEGIN
    IF TG_TABLE_NAME = 'orders' THEN
        is_used := EXISTS (SELECT FROM gone JOIN allocations AS a ON a.order_id = gone.id);
    ELSE
        is_used := EXISTS (
            SELECT FROM gone JOIN allocations AS a ON a.product_id = gone.product_id AND a.vendor_id = gone.vendor_id
        );
    END IF;
    IF is_used THEN
        RAISE foreign_key_violation USING MESSAGE = 'allocations refer to it', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_allocated AFTER DELETE ON orders
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION keep_what_is_allocated();
CREATE TRIGGER keep_allocated AFTER DELETE ON vendor_stock
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION keep_what_is_allocated();
