#!/usr/bin/env bash
# Quantities with a decimal comma (`13,5`) in tools that take a comma for a thousands separator. Needs Python 3 and Node.js;
# installs csvkit 2.2.0, Babel 2.18.0, pandas 3.1.1, duckdb 2.0.1, openpyxl 3.1.5 and xlsx (SheetJS) 0.18.5 in a temporary folder.
# Observed on 2026-11-30.
#
# Expected: a thousands separator is followed by three digits, so `13,5` is text or an error, also where `1,234` is 1234.
# Observed: each of them drops the comma wherever it is: `13,5` is 135, `0,75` is 75, `2,50` is 250. csvkit (csvsort, csvjoin,
#   csvjson, in2csv) and SheetJS (CSV to XLSX) do so without any setting, also in a file separated by semicolons, as countries
#   with a decimal comma write it. csvkit does it only while all values of the column look like numbers: with a further row of
#   `10+` the same `13,5` stays text. Babel's parse_decimal for en_US unless strict=True; pandas and DuckDB once a thousands
#   separator is set.
#
# Why it matters: half metres and kilograms become ten or a hundred times the stock, in proper numbers that no rule for text can
# refuse. A feed that was sorted or converted on its way may be wrong in this way at the source. A reader with a `thousands`
# setting must require groups of three digits, or the setting turns a wrong separator into a wrong quantity.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet csvkit==2.2.0 Babel==2.18.0 pandas==3.1.1 duckdb==2.0.1 openpyxl==3.1.5
npm init --yes >npm.log
npm install --silent --no-audit --no-fund xlsx@0.18.5 >>npm.log 2>&1
printf 'sku,quantity\nA-1,"13,5"\nA-2,"0,75"\nA-3,"2,50"\nA-4,"1,234"\n' >comma.csv
printf 'sku;quantity\nA-1;13,5\nA-2;0,75\nA-3;2,50\nA-4;1,234\n' >semicolon.csv
{ cat comma.csv; echo 'A-5,10+'; } >mixed.csv
venv/bin/csvsort --delimiter , mixed.csv >csvkit_mixed.csv
venv/bin/csvsort --delimiter , comma.csv >csvkit_comma.csv
venv/bin/csvsort --delimiter ';' semicolon.csv >csvkit_semicolon.csv
node -e '
const XLSX = require("xlsx");
for (const name of ["comma", "semicolon"]) {
  XLSX.writeFile(XLSX.readFile(`${name}.csv`), `${name}.xlsx`);
}'
venv/bin/python - <<'PYTHON'
import csv, sys
import babel, duckdb, openpyxl, pandas
from babel.numbers import NumberFormatError, parse_decimal
from importlib.metadata import version

print("csvkit", version("csvkit"), "Babel", babel.__version__, "pandas", pandas.__version__, "duckdb", duckdb.__version__)
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def column(name):
    with open(name, newline="") as file:
        return [row["quantity"] for row in csv.DictReader(file)]

def strictly(text):
    try:
        return float(parse_decimal(text, locale="en_US", strict=True))
    except NumberFormatError:
        return "refused"

wrong = [135, 75, 250, 1234]
for name in ("comma", "semicolon"):
    expect(f"csvkit, {name}", column(f"csvkit_{name}.csv"), ["135", "75", "250", "1234"])
    cells = openpyxl.load_workbook(f"{name}.xlsx").active["B"][1:]
    expect(f"SheetJS, CSV with {name} to XLSX", [cell.value for cell in cells], wrong)
texts = ["13,5", "0,75", "2,50", "1,234"]
expect("csvkit, with a row of 10+", column("csvkit_mixed.csv"), [*texts, "10+"])
expect("Babel", [int(parse_decimal(text, locale="en_US")) for text in texts], wrong)
expect("Babel, strict", [strictly(text) for text in texts], ["refused", "refused", "refused", 1234])
expect("pandas, thousands", pandas.read_csv("comma.csv", thousands=",").quantity.tolist(), wrong)
query = "SELECT quantity FROM read_csv('comma.csv', thousands = ',', types = {'quantity': 'DOUBLE'})"
expect("DuckDB, thousands", [quantity for quantity, in duckdb.sql(query).fetchall()], wrong)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
