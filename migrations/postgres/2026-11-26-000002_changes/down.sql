DROP TABLE changes_forgotten;
DROP TABLE changes;
