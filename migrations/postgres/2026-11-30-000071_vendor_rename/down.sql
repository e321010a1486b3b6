DROP FUNCTION rename_vendor;
DROP TRIGGER refuse_to_move ON allocations;
CREATE OR REPLACE FUNCTION refuse_to_move_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = 'an allocation stays with its order, vendor and product', TABLE = 'allocations';
END $$;
CREATE TRIGGER refuse_to_move BEFORE UPDATE OF order_id, vendor_id, product_id ON allocations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_move_allocations();
