-- An update may not make an allocation another one's, except that a vendor gets another id: rename_vendor says which.
DROP TRIGGER refuse_to_move ON allocations;
CREATE OR REPLACE FUNCTION refuse_to_move_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.order_id = OLD.order_id AND NEW.product_id = OLD.product_id
        AND current_setting('aggregator.renamed_vendor', true) = OLD.vendor_id || E'\n' || NEW.vendor_id
    THEN
        RETURN NEW;
    END IF;
    RAISE foreign_key_violation USING MESSAGE = 'an allocation stays with its order, vendor and product', TABLE = 'allocations';
END $$;
CREATE TRIGGER refuse_to_move BEFORE UPDATE OF order_id, vendor_id, product_id ON allocations
    FOR EACH ROW EXECUTE FUNCTION refuse_to_move_allocations();

-- Gives a vendor another id, with every row that refers to it. No position or allocation may have the new id yet.
CREATE FUNCTION rename_vendor(old_id text, new_id text, OUT positions bigint, OUT allocated bigint)
LANGUAGE plpgsql AS $$
DECLARE
    child record;
BEGIN
    FOR child IN
        SELECT c.conrelid::regclass::text AS name, a.attname AS vendor_column
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.confrelid = 'vendor_syncs'::regclass AND c.contype = 'f'
    LOOP
        EXECUTE format('DELETE FROM %s WHERE %I = $1', child.name, child.vendor_column) USING new_id;
    END LOOP;
    DELETE FROM vendor_syncs WHERE vendor_id = new_id;
    -- Every column of it, also those that later versions add.
    INSERT INTO vendor_syncs
    SELECT (jsonb_populate_record(v, jsonb_build_object('vendor_id', new_id))).*
    FROM vendor_syncs v WHERE v.vendor_id = old_id;
    FOR child IN
        SELECT c.conrelid::regclass::text AS name, a.attname AS vendor_column
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.confrelid = 'vendor_syncs'::regclass AND c.contype = 'f'
    LOOP
        EXECUTE format(
            'UPDATE %s SET %I = $1 WHERE %I = $2', child.name, child.vendor_column, child.vendor_column
        ) USING new_id, old_id;
    END LOOP;
    SELECT count(*) INTO positions FROM vendor_stock WHERE vendor_id = new_id;
    PERFORM set_config('aggregator.renamed_vendor', old_id || E'\n' || new_id, true);
    UPDATE allocations SET vendor_id = new_id WHERE vendor_id = old_id;
    GET DIAGNOSTICS allocated = ROW_COUNT;
    PERFORM set_config('aggregator.renamed_vendor', '', true);
    DELETE FROM vendor_syncs WHERE vendor_id = old_id;
END $$;
