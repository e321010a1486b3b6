DROP INDEX orders_settled_by_product;
DROP INDEX orders_pending_by_product;
CREATE INDEX orders_by_product ON orders (product_id);
CREATE INDEX orders_by_product_and_status ON orders (product_id, status);
