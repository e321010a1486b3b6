#!/usr/bin/env bash
# 2,500 products in pages of 100 by LIMIT and OFFSET, ordered by a column with equal values, while nothing is written. Needs root on
# Debian with MariaDB running (mariadb over its socket), Python 3, and PostgreSQL at 127.0.0.1:5432 with the user postgres (or
# PGUSER); installs psycopg 3.3.9 in a temporary folder. Observed on 2026-11-30 with PostgreSQL 15.20, MariaDB 10.11.19 and
# SQLite 3.40.1.
#
# Expected: the order of equal rows is not promised, but the same query over the same rows gives the same order, so the 25 pages hold
#   each product once as long as nothing is written.
# Observed: it does on SQLite. On the others each LIMIT is a sort of its own kind (a heap of as many rows as LIMIT and OFFSET need, or
#   a full sort), and each has another order of equal rows. All pages are full and the records are 2,500, but
#                                     PostgreSQL                MariaDB
#     all of one time                   11 missing              151 missing
#     five times, newest first         655 missing              102 missing
#     five times, oldest first         407 missing              151 missing
#     25 times (100 products each)       0 missing                0 missing
#   and as many are listed twice or more. With the key as a second column of the order no product is missing.
#
# Why it matters: shops list products by time, and an import or a nightly count gives many of them one time. Number of pages, number of
# records and the stated total are right, and a quarter of the products is taken for sold out; a reader that adds the quantities of
# repeated records doubles others. Repeated ids are the only sign: refuse them, and have the vendor order by a unique column.
set -euo pipefail
folder=$(mktemp -d)
database="finding_$$"
trap 'mariadb -e "DROP DATABASE IF EXISTS $database" || true; rm -rf "$folder"' EXIT
mariadb -e "CREATE DATABASE $database"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "psycopg[binary]==3.3.9"
DATABASE="$database" PGUSER="${PGUSER:-postgres}" "$folder/venv/bin/python" - <<'PYTHON'
import os, sqlite3, subprocess, sys
import psycopg

PRODUCTS, SIZE = 2500, 100
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

postgresql = psycopg.connect("host=127.0.0.1 port=5432 dbname=postgres", autocommit=True)
sqlite = sqlite3.connect(":memory:")
def mariadb(statements):
    command = ["mariadb", "--batch", "--skip-column-names", os.environ["DATABASE"]]
    return subprocess.run(command, input=statements, capture_output=True, text=True, check=True).stdout.split()

print("PostgreSQL", postgresql.info.parameter_status("server_version"), "MariaDB", *mariadb("SELECT version()"),
      "SQLite", sqlite3.sqlite_version)
schema = "(sku VARCHAR(20) PRIMARY KEY, quantity INT, counted TIMESTAMP NOT NULL)"
postgresql.execute(f"CREATE TEMPORARY TABLE stock {schema}")
sqlite.execute(f"CREATE TABLE stock {schema}")
mariadb(f"CREATE TABLE stock {schema}")
readers = {
    "PostgreSQL": lambda pages: [sku for page in pages for sku, in postgresql.execute(page)],
    "MariaDB": lambda pages: mariadb(";".join(pages)),
    "SQLite": lambda pages: [sku for page in pages for sku, in sqlite.execute(page)],
}

def fill(equal):
    rows = [(f"P-{number:04d}", number % 9, f"2026-11-{1 + number // equal:02d} 06:00:00") for number in range(PRODUCTS)]
    insert = "INSERT INTO stock VALUES " + ",".join(map(str, rows))
    for execute in (postgresql.execute, sqlite.execute, mariadb):
        execute("DELETE FROM stock")
        execute(insert)
    postgresql.execute("VACUUM ANALYZE stock")

def missing(name, order):
    pages = [f"SELECT sku FROM stock ORDER BY {order} LIMIT {SIZE} OFFSET {offset}" for offset in range(0, PRODUCTS, SIZE)]
    skus = readers[name](pages)
    assert len(skus) == PRODUCTS
    return PRODUCTS - len(set(skus))

for what, equal, order, expected in (
    ("all of one time", 2500, "counted DESC", (11, 151, 0)),
    ("five times, newest first", 500, "counted DESC", (655, 102, 0)),
    ("five times, oldest first", 500, "counted", (407, 151, 0)),
    ("25 times, newest first", 100, "counted DESC", (0, 0, 0)),
    ("all of one time, then by key", 2500, "counted DESC, sku", (0, 0, 0)),
    ("five times, then by key", 500, "counted DESC, sku", (0, 0, 0)),
):
    fill(equal)
    for name, count in zip(readers, expected):
        expect(f"{what}: missing on {name}", missing(name, order), count)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
