#!/usr/bin/env bash
# A JSON stock list turned into CSV or XLSX by tablib, the library behind django-import-export. Needs Python 3; installs tablib
# 3.10.0 with openpyxl 3.1.5 and PyYAML 6.0.3, and pandas 3.1.1 in a temporary folder. Observed on 2026-11-30.
#
# Expected: the members of an object have no order (RFC 8259, 4), so each value goes to the column of its name, as with pandas;
#   an object that lacks a member gives an empty cell or an error.
# Observed: tablib takes the names of the first object as header and writes the values of all others by *position*. In
#     [{"sku": "A-1", "stock": 0, "reserved": 2}, {"sku": "A-2", "reserved": 7, "stock": 0}]
#   A-2 gets a stock of 7 and 0 reserved. An object with another member of its own in place of `stock` passes too: its value
#   is written under `stock`. Only another *number* of members is refused, as InvalidDimensions. YAML is read the same way.
#
# Why it matters: document stores and languages with unordered maps change the order of members from row to row, often for the few
# rows that were updated last. The file is well-formed, has the right ids, and quantities and reservations are swapped in some
# rows. Plausibility across columns (reserved above stock) is the only sign; prefer the vendor's JSON over the converted file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tablib==3.10.0 openpyxl==3.1.5 PyYAML==6.0.3 pandas==3.1.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io, json, sys
from importlib.metadata import version
import openpyxl, pandas, tablib, yaml

print("tablib", version("tablib"), "pandas", pandas.__version__)
stock = [
    {"sku": "A-1", "stock": 0, "reserved": 2},
    {"sku": "A-2", "reserved": 7, "stock": 0},
    {"sku": "A-3", "backorder": 30, "reserved": 1},
]
text = json.dumps(stock)
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

by_position = ["sku,stock,reserved", "A-1,0,2", "A-2,7,0", "A-3,30,1"]
dataset = tablib.Dataset().load(text, format="json")
expect("tablib, JSON to CSV", dataset.export("csv").split(), by_position)
sheet = openpyxl.load_workbook(io.BytesIO(dataset.export("xlsx"))).active
expect("tablib, JSON to XLSX", [",".join(map(str, row)) for row in sheet.iter_rows(values_only=True)], by_position)
dataset = tablib.Dataset().load(yaml.safe_dump(stock, sort_keys=False), format="yaml")
expect("tablib, YAML to CSV", dataset.export("csv").split(), by_position)
by_name = pandas.read_json(io.StringIO(text)).to_csv(index=False).split()
expect("pandas, JSON to CSV", by_name, ["sku,stock,reserved,backorder", "A-1,0.0,2,", "A-2,0.0,7,", "A-3,,1,30.0"])
try:
    refused = tablib.Dataset().load(json.dumps([stock[0], {"sku": "A-2", "reserved": 7}]), format="json").export("csv")
except tablib.InvalidDimensions:
    refused = "InvalidDimensions"
expect("tablib, an object of two members", refused, "InvalidDimensions")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
