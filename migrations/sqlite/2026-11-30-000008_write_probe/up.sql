-- Written and emptied again by a process whose last write failed, to find out whether writes work. It holds no rows.
CREATE TABLE write_probe (
    id     INTEGER NOT NULL PRIMARY KEY,
    filler BLOB NOT NULL
) STRICT;
