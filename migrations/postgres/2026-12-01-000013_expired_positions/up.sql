-- Whether the numbers of the position are older than its vendor's setting max_age allows: then it is not sold from.
ALTER TABLE vendor_stock ADD COLUMN is_expired boolean NOT NULL DEFAULT false;
CREATE INDEX vendor_stock_expired ON vendor_stock (vendor_id, product_id) WHERE is_expired;
