ALTER TABLE outbox DROP COLUMN traceparents;
