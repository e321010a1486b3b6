DROP TABLE outbox_unreadable;
ALTER TABLE outbox DROP COLUMN not_before;
