-- What each transaction has changed, for those who wait for that; kept for a time. JSON arrays of ids.
CREATE TABLE changes (
    -- AUTOINCREMENT: a number that was forgotten is not given again, and the last one stays known.
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    order_ids   TEXT NOT NULL,
    product_ids TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    CONSTRAINT changes_of_something CHECK (json_array_length(order_ids) + json_array_length(product_ids) > 0)
) STRICT;
