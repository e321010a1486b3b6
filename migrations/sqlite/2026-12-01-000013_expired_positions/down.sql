UPDATE stock SET quantity = (
    SELECT coalesce(sum(max(0, p.reported - p.in_flight)), 0)
    FROM vendor_stock p JOIN vendor_syncs v USING (vendor_id) WHERE p.product_id = stock.product_id AND v.configured
) WHERE product_id IN (SELECT product_id FROM vendor_stock WHERE is_expired);
DROP INDEX vendor_stock_expired;
ALTER TABLE vendor_stock DROP COLUMN is_expired;
