-- An order of one of many products needs another page in each index with its product, and each changed page is written at each
-- commit. While it is PENDING, its product is only in a small index; once it is settled, in one large index instead of two. The
-- list by product merges the ranges of both.
DROP INDEX orders_by_product;
DROP INDEX orders_by_product_and_status;
CREATE INDEX orders_pending_by_product ON orders (product_id) WHERE status = 'PENDING';
CREATE INDEX orders_settled_by_product ON orders (product_id, status) WHERE status <> 'PENDING';
