-- Written and emptied again by a process whose last write failed, to find out whether writes work. It holds no rows. The
-- filler is kept as it is, neither compressed nor moved out, so that a row needs most of a page.
CREATE TABLE write_probe (
    filler TEXT NOT NULL
);
ALTER TABLE write_probe ALTER COLUMN filler SET STORAGE PLAIN;
