\set product random(1, :products)
BEGIN;
SELECT quantity FROM bench.stock WHERE product_id = :product::text FOR UPDATE;
UPDATE bench.stock SET quantity = quantity - 1 WHERE product_id = :product::text;
INSERT INTO bench.orders (product_id, quantity, status) VALUES (:product::text, 1, 'CONFIRMED');
COMMIT;
