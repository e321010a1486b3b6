#!/usr/bin/env bash
# A stock list that was saved as XLSX while a filter was on, and quantities with a unit in their format, turned into CSV. Needs
# Python 3; installs xlsx2csv 0.8.6, csvkit 2.2.0, pandas 3.1.1 and openpyxl 3.1.5 in a temporary folder. Observed on 2026-11-30.
#
# Expected: a filter and a format change how a cell looks, not what is in the file, so the CSV has all rows and the numbers.
# Observed: csvkit (in2csv) and pandas give that. xlsx2csv
#   - writes each row that is hidden as an *empty line*, unless `--include-hidden-rows` is given. Of ten products, filtered to those
#     with more than four units, five are left; a filter that is removed without showing its rows has the same effect.
#   - takes a format with d, h, m, s or y within a quoted unit for that of a date, and puts the date into the text of the format: 12
#     with the format `0" pcs"` becomes `0" pcs"`, 12 with `0" m"` becomes `0" 01"`, and 0 becomes `00:00`. `0" Karton"` is read
#     right.
#
# Why it matters: a CSV reader skips empty lines, so the report is well-formed, and the products that someone filtered out last are
# taken for sold out. It is a single click at the vendor, and the next save brings them back. A guard for the number of rows holds
# it; have the vendor send the workbook itself, or add `--include-hidden-rows`. Values such as `0" pcs"` must be refused, not read as 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet xlsx2csv==0.8.6 csvkit==2.2.0 pandas==3.1.1 openpyxl==3.1.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import csv, io, subprocess, sys
from importlib.metadata import version
import openpyxl, pandas

print(*(f"{name} {version(name)}" for name in ("xlsx2csv", "csvkit", "pandas", "openpyxl")))
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

book = openpyxl.Workbook()
sheet = book.active
sheet.append(["sku", "quantity"])
for number in range(10):
    sheet.append([f"P-{number}", number])
sheet.auto_filter.ref = "A1:B11"
sheet.auto_filter.add_filter_column(1, [str(number) for number in range(5, 10)])
for row in range(2, 7):
    sheet.row_dimensions[row].hidden = True
book.save("filtered.xlsx")

def run(*command):
    return subprocess.run([f"venv/bin/{command[0]}", *command[1:]], capture_output=True, text=True, check=True).stdout

def skus(text):
    return [row["sku"][2:] for row in csv.DictReader(io.StringIO(text))]

every = list("0123456789")
text = run("xlsx2csv", "filtered.xlsx")
expect("xlsx2csv, lines and products", (len(text.splitlines()), skus(text)), (11, every[5:]))
expect("xlsx2csv --include-hidden-rows", skus(run("xlsx2csv", "--include-hidden-rows", "filtered.xlsx")), every)
expect("csvkit", skus(run("in2csv", "filtered.xlsx")), every)
expect("pandas", [sku[2:] for sku in pandas.read_excel("filtered.xlsx").sku], every)

values = {
    '0" pcs"': ('0" pcs"', "00:00"), '0" Stk."': ('0" stk."', "00:00"), '0" m"': ('0" 01"', "00:00"),
    '0" Karton"': ("12", "0"), "#,##0": ("12", "0"),
}
book = openpyxl.Workbook()
sheet = book.active
sheet.append(["sku", "quantity"])
for number_format in values:
    for quantity in (12, 0):
        sheet.append([number_format, quantity])
        sheet.cell(sheet.max_row, 2).number_format = number_format
book.save("units.xlsx")
rows = [row["quantity"] for row in csv.DictReader(io.StringIO(run("xlsx2csv", "units.xlsx")))]
for (number_format, expected), seen in zip(values.items(), zip(rows[::2], rows[1::2])):
    expect(f"xlsx2csv, 12 and 0 with the format {number_format}", seen, expected)
whole = [12, 0] * len(values)
expect("csvkit, units", [int(row["quantity"]) for row in csv.DictReader(io.StringIO(run("in2csv", "units.xlsx")))], whole)
expect("pandas, units", pandas.read_excel("units.xlsx").quantity.tolist(), whole)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
