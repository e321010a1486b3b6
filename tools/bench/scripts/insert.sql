\set product random(1, :products)
INSERT INTO bench.orders (product_id, quantity) VALUES (:product::text, 1);
