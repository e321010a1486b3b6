#!/usr/bin/env bash
# SELECT ... INTO OUTFILE of MariaDB with ESCAPED BY '"', the usual way to get quotes doubled as RFC 4180 wants them. Needs root on
# Debian with MariaDB running (mariadb over its socket) and Python 3; installs pandas 3.1.1 and polars 2.1.0 in a temporary
# folder. Observed on 2026-11-30 with MariaDB 10.11.19.
#
# Expected: NULL becomes an empty field or the word NULL; if a quote is left open, a reader finds rows of unequal length and
#   refuses the file.
# Observed: quotes within texts are doubled, but NULL is the escape character and an `N`, so it is written as `"N`, which opens a
#   quoted field. It ends at the quote of the next text, within the next row. With a nullable text column in the middle,
#     4006381333931,"N,5
#     4006381333948,"Main",7
#   is one record of three fields: the first product has the quantity of the second, which is absent. Two NULL in successive
#   rows pair up too. The whole file has rows of equal length; Python's csv and pandas read it without an error, polars and
#   csv.reader(strict=True) refuse it. A zero can become a stock this way. (The default ESCAPED BY writes `\N` and `\"`;
#   ESCAPED BY '' writes the word NULL and leaves quotes within quoted texts as they are.)
#
# Why it matters: one product without a location gives a valid-looking report that is wrong for two. A reader should refuse any
# character but a delimiter or the end of the line after a closing quote, and a line feed in a quoted field of a numeric file.
set -euo pipefail
folder=$(mktemp -d)
database="finding_$$"
trap 'mariadb -e "DROP DATABASE IF EXISTS $database" || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pandas==3.1.1 polars==2.1.0
mkdir out
chmod 755 "$folder"
chmod 777 out
mariadb -e "SELECT version(); CREATE DATABASE $database"
mariadb "$database" <<SQL
CREATE TABLE stock (ean BIGINT PRIMARY KEY, location VARCHAR(20), quantity INT);
INSERT INTO stock VALUES (4006381333931, NULL, 5), (4006381333948, 'Main', 7), (4006381333955, 'Aisle "B"', 9),
  (4006381333962, NULL, 0), (4006381333979, NULL, 4), (4006381333986, 'Main', 2);
SELECT * FROM stock ORDER BY ean INTO OUTFILE '$folder/out/quote.csv'
  FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '"' LINES TERMINATED BY '\n';
SELECT * FROM stock ORDER BY ean INTO OUTFILE '$folder/out/backslash.csv'
  FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\n';
SELECT * FROM stock ORDER BY ean INTO OUTFILE '$folder/out/none.csv'
  FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '' LINES TERMINATED BY '\n';
SQL
cat out/quote.csv
venv/bin/python - <<'PYTHON'
import csv, sys
import pandas, polars

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def lines(name):
    with open(f"out/{name}.csv", newline="") as file:
        return file.read().splitlines()

def by_csv(**options):
    with open("out/quote.csv", newline="") as file:
        return [(int(ean), int(quantity)) for ean, _, quantity in csv.reader(file, **options)]

expect("ESCAPED BY '\"'", [line.split(",", 1)[1] for line in lines("quote")],
       ['"N,5', '"Main",7', '"Aisle ""B""",9', '"N,0', '"N,4', '"Main",2'])
expect("default ESCAPED BY", [line.split(",", 1)[1] for line in lines("backslash")],
       ["\\N,5", '"Main",7', '"Aisle \\"B\\"",9', "\\N,0", "\\N,4", '"Main",2'])
expect("ESCAPED BY ''", [line.split(",", 1)[1] for line in lines("none")],
       ["NULL,5", '"Main",7', '"Aisle "B"",9', "NULL,0", "NULL,4", '"Main",2'])
wrong = [(4006381333931, 7), (4006381333955, 9), (4006381333962, 4), (4006381333986, 2)]
expect("csv", by_csv(), wrong)
columns = ["ean", "location", "quantity"]
frame = pandas.read_csv("out/quote.csv", names=columns)
expect(f"pandas {pandas.__version__}", list(zip(frame.ean.tolist(), frame.quantity.tolist())), wrong)
try:
    refused = polars.read_csv("out/quote.csv", has_header=False, new_columns=columns).rows()
except polars.exceptions.ComputeError as error:
    refused = "is not properly escaped" in str(error)
expect(f"polars {polars.__version__} refuses", refused, True)
try:
    refused = by_csv(strict=True)
except csv.Error as error:
    refused = str(error)
expect("csv, strict", refused, "',' expected after '\"'")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
