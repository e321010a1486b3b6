#!/usr/bin/env bash
# pandas.DataFrame.to_excel with the engine xlsxwriter, and product ids with a namespace in front. Needs Python 3; installs
# pandas 3.1.1, XlsxWriter 3.3.1, openpyxl 3.1.5 and python-calamine 0.9.1 in a temporary folder. Observed on 2026-11-30.
#
# Expected: a text cell holds the text of the data frame, whichever engine writes it and whichever library reads it.
# Observed: a text that starts with `internal:`, `external:` or `mailto:` is written as a hyperlink, and the text of the cell
#   is what follows the prefix. `internal:0012`, `external:0012` and `mailto:0012` are three ids in the data frame and in the
#   file of openpyxl, and three cells `0012` in the file of XlsxWriter; every reader sees that. Other prefixes (`file:`,
#   `vendor:`) are kept. No warning is issued.
#
# Why it matters: ids such as `internal:0012` can keep own and drop-shipped articles apart. In the file they are one product three
# times: a reader that takes the last row or the sum of duplicates reports a wrong quantity for `0012`. Refuse duplicates, and
# have the vendor write with {"strings_to_urls": False}.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pandas==3.1.1 XlsxWriter==3.3.1 openpyxl==3.1.5 python-calamine==0.9.1
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import sys
import openpyxl, pandas, python_calamine, xlsxwriter
from importlib.metadata import version

print("pandas", pandas.__version__, "XlsxWriter", xlsxwriter.__version__, "openpyxl", openpyxl.__version__,
      "python-calamine", version("python-calamine"))
ids = ["internal:0012", "external:0012", "mailto:0012", "file:0012", "vendor:0012", "0012"]
stock = pandas.DataFrame({"sku": ids, "quantity": [1, 2, 3, 4, 5, 6]})
stock.to_excel("xlsxwriter.xlsx", engine="xlsxwriter", index=False)
stock.to_excel("openpyxl.xlsx", engine="openpyxl", index=False)
with pandas.ExcelWriter("plain.xlsx", engine="xlsxwriter",
                        engine_kwargs={"options": {"strings_to_urls": False}}) as writer:
    stock.to_excel(writer, index=False)

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def by_calamine(path):
    rows = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    return [row[0] for row in rows[1:]]

def by_openpyxl(path):
    return [cell.value for cell in openpyxl.load_workbook(path).active["A"][1:]]

lost = ["0012", "0012", "0012", "file:0012", "vendor:0012", "0012"]
for name, read in (("calamine", by_calamine), ("openpyxl", by_openpyxl)):
    expect(f"written by XlsxWriter, read by {name}", read("xlsxwriter.xlsx"), lost)
    expect(f"written by openpyxl, read by {name}", read("openpyxl.xlsx"), ids)
    expect(f"written by XlsxWriter without strings_to_urls, read by {name}", read("plain.xlsx"), ids)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
