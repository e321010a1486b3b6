#!/usr/bin/env bash
# CSV written by PHP's fputcsv with titles that end in a backslash and a quote (`24\"`, an inch mark that was escaped twice on its
# way into a shop). Needs Debian and Python 3; unpacks php8.2-cli of the distribution in a temporary folder (nothing is
# installed), and installs pandas 3.1.1 and polars 2.1.0 there. Observed on 2026-11-30 with PHP 8.2.36.
#
# Expected: fputcsv does not double a quote after a backslash (its own escape character, not one of RFC 4180), so the row has an
#   unclosed quote, and a reader reports unequal lengths.
# Observed: the quote is closed by the next such title, and the rows in between vanish without any sign:
#     A-1,"TV 24\"",5
#     A-2,"TV 32\"",7
#   is one record of three fields for Python's csv, pandas and polars, in which A-1 has the quantity 7 and A-2 is absent. Rows
#   between the two titles are swallowed as well, so with one such title at the start and one at the end of a file a single
#   product is left. csv.reader(strict=True) refuses the file. fputcsv with the escape character "" writes it correctly.
#
# Why it matters: an even number of such titles gives a report that is well-formed, short and wrong. WooCommerce and Magento pass
# "\0" as the escape character for that reason; a vendor's own script seldom does. A reader should refuse any character but
# a delimiter or the end of the line after a closing quote; a guard for the number of rows finds only the large cases.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
packages=(php8.2-cli libargon2-1 libicu72 libsodium23 libxml2)
apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -qq
apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}"
for package in *.deb; do dpkg-deb -x "$package" root; done
python3 -m venv venv
venv/bin/pip install --quiet pandas==3.1.1 polars==2.1.0
cat >write.php <<'PHP'
<?php
$rows = [['sku', 'title', 'quantity'], ['A-0', 'Shirt', 3], ['A-1', 'TV 24\\"', 5], ['A-2', 'TV 32\\"', 7],
         ['A-3', 'Hat', 9], ['A-4', 'TV 43\\"', 0], ['A-5', 'Belt', 2], ['A-6', 'TV 55\\"', 8]];
foreach (['default' => '\\', 'none' => ''] as $name => $escape) {
    $file = fopen("$name.csv", 'w');
    foreach ($rows as $row) {
        fputcsv($file, $row, ',', '"', $escape);
    }
    fclose($file);
}
$file = fopen('unset.csv', 'w');
foreach ($rows as $row) {
    fputcsv($file, $row);
}
echo 'PHP ', PHP_VERSION, "\n";
PHP
LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu" root/usr/bin/php8.2 -n write.php
cat unset.csv
cmp unset.csv default.csv
venv/bin/python - <<'PYTHON'
import csv, sys
import pandas, polars

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def by_csv(name, **options):
    with open(name, newline="") as file:
        return [(row["sku"], int(row["quantity"])) for row in csv.DictReader(file, **options)]

def by_pandas(name):
    frame = pandas.read_csv(name)
    return list(zip(frame.sku.tolist(), frame.quantity.tolist()))

def by_polars(name):
    return polars.read_csv(name).select("sku", "quantity").rows()

right = [("A-0", 3), ("A-1", 5), ("A-2", 7), ("A-3", 9), ("A-4", 0), ("A-5", 2), ("A-6", 8)]
wrong = [("A-0", 3), ("A-1", 7), ("A-3", 9), ("A-4", 8)]
readers = [("csv", by_csv), (f"pandas {pandas.__version__}", by_pandas), (f"polars {polars.__version__}", by_polars)]
for name, read in readers:
    expect(f"default escape character, {name}", read("default.csv"), wrong)
    expect(f"escape character \"\", {name}", read("none.csv"), right)
try:
    refused = by_csv("default.csv", strict=True)
except csv.Error as error:
    refused = str(error)
expect("default escape character, csv, strict", refused, "',' expected after '\"'")
expect("escape character \"\", csv, strict", by_csv("none.csv", strict=True), right)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
