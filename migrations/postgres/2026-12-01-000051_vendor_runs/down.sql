DROP TABLE vendor_runs;
