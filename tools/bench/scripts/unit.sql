\set product random(1, :products)
BEGIN;
SELECT id AS unit FROM bench.units WHERE product_id = :product::text AND NOT is_sold ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED \gset
UPDATE bench.units SET is_sold = true WHERE id = :unit;
INSERT INTO bench.orders (product_id, quantity, status) VALUES (:product::text, 1, 'CONFIRMED');
COMMIT;
