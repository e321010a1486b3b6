#!/usr/bin/env bash
# One column of 64-bit floats, four CSV writers: what becomes of an article number when one row has none. Needs Python 3;
# installs pandas 3.1.1, polars 2.1.0, pyarrow 26.0.1 and duckdb 2.0.1 in a temporary folder. Observed on 2026-11-30.
#
# Expected: an integer column with a gap becomes floats, so all four write `4006381333931.0`.
# Observed: pandas, polars and DuckDB do. pyarrow.csv writes `4.006381333931e+12` for it, although the same column shows `12`
#   for 12.0 and `10000000` for 1e7: the exponent starts at 1e10, so an 8-digit article number is written in digits and a
#   13-digit one is not. No digit is lost up to 2^53, but the text is no longer the article number.
#
# Why it matters: a reader that takes the id column as text accepts `4.006381333931e+12` as a product id, which matches no
# product, and the feed's other rows (short ids, quantities) look right. An id of the form digits, point, digits, `e+`, digits
# deserves a refusal that names the exporter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pandas==3.1.1 polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io, sys
import duckdb, pandas, polars, pyarrow, pyarrow.csv

print("pandas", pandas.__version__, "polars", polars.__version__, "pyarrow", pyarrow.__version__,
      "duckdb", duckdb.__version__)
values = [12.0, 96385074.0, 9999999999.0, 10000000000.0, 4006381333931.0, 14006381333938.0, None]
table = pyarrow.table({"ean": values})

def with_pyarrow():
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer)
    return buffer.getvalue().decode()

def with_duckdb():
    duckdb.from_arrow(table).write_csv("duckdb.csv")
    with open("duckdb.csv") as file:
        return file.read()

written = {
    "pandas": pandas.DataFrame({"ean": values}).to_csv(index=False),
    "polars": polars.DataFrame({"ean": values}).write_csv(),
    "pyarrow": with_pyarrow(),
    "duckdb": with_duckdb(),
}
digits = ["12.0", "96385074.0", "9999999999.0", "10000000000.0", "4006381333931.0", "14006381333938.0"]
exponents = ["12", "96385074", "9999999999", "1e+10", "4.006381333931e+12", "1.4006381333938e+13"]
changed = []
for writer, text in written.items():
    seen = text.splitlines()[1:7]
    print(writer, seen)
    expected = exponents if writer == "pyarrow" else digits
    if seen != expected:
        changed.append(f"{writer}: {seen}, not {expected}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
