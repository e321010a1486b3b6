#!/usr/bin/env bash
# A CSV stock list turned into XLSX by Gnumeric's ssconvert. Needs Python 3 and Debian's gnumeric (apt-get install
# --no-install-recommends gnumeric); installs openpyxl 3.1.5 in a temporary folder. Observed on 2026-11-30 with Gnumeric 1.12.55.
#
# Expected: the locale says what a comma means, here C.UTF-8: `1,234` is 1234 in each row, and `13,5` and `10+` are text.
# Observed: the meaning of comma and point is chosen for each column from all of its values. `1,234` and `2,500` are 1234 and 2500;
#   with one more row, `13,5`, the same two fields are 1.234 and 2.5. Likewise `1.234` and `2.500` are 1.234 and 2.5 alone, and
#   1234 and 2500 together with `13,5`. `10+` is the number 10, `5-` and `(5)` are -5. All are proper number cells.
#
# Why it matters: quantities of a thousand and more change by a factor of 1000 when any product gets a fraction, or loses it, though
# their own rows are the same; and "ten or more" becomes exactly ten. No rule for fields can find this in the XLSX. Compare
# with the vendor's CSV; a guard for large drops or rises holds such a report.
set -euo pipefail
command -v ssconvert >/dev/null || { echo "install the package gnumeric first" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export LC_ALL=C.UTF-8 HOME="$folder"
python3 -m venv venv
venv/bin/pip install --quiet openpyxl==3.1.5
ssconvert --version 2>&1 | head -1
venv/bin/python -W ignore - <<'PYTHON'
import csv, subprocess, sys
import openpyxl

cases = [
    (["1,234", "2,500"], [1234, 2500]),
    (["1,234", "2,500", "13,5"], [1.234, 2.5, 13.5]),
    (["1,234", "2,500", "7", "10+"], [1234, 2500, 7, 10]),
    (["1.234", "2.500"], [1.234, 2.5]),
    (["1.234", "2.500", "13,5"], [1234, 2500, 13.5]),
    (["10+", "5-", "(5)", "10 pcs", ">10"], [10, -5, -5, "10 pcs", ">10"]),
]
changed = []
for fields, expected in cases:
    with open("stock.csv", "w", newline="") as file:
        csv.writer(file).writerows([["sku", "quantity"], *([f"A-{row}", field] for row, field in enumerate(fields, 1))])
    subprocess.run(["ssconvert", "stock.csv", "stock.xlsx"], check=True, capture_output=True)
    seen = [cell.value for cell in openpyxl.load_workbook("stock.xlsx").active["B"][1:]]
    print(f"{fields} became {seen}")
    if seen != expected:
        changed.append(f"{fields}: {seen}, not {expected}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
