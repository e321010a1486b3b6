#!/usr/bin/env bash
# A stock list made by JSON_ARRAYAGG of MariaDB, from more products than fit into a mebibyte. Needs root on Debian with MariaDB
# running (mariadb over its socket) and Python 3. Observed on 2026-11-30 with MariaDB 10.11.19.
#
# Expected: a list that exceeds a limit is an error; at least its end is missing, so that no JSON parser accepts it.
# Observed: the list is cut at 1,048,576 bytes (`group_concat_max_len`) with nothing but a warning, and *the closing bracket is
#   appended after the cut*. If the cut falls on the end of an item the result is valid JSON: of 99,999 products
#   `["00000001", 11]` exactly 61,681 remain. For items of other lengths it is a matter of chance: of 36 lists of objects of
#   35 bytes that differ in the length of their first item, one is valid, with 29,127 of 40,000 products. A list of bare ids
#   is valid unless the cut falls on a comma, and its last id, here 4006, is the first digits of one. JSON_OBJECTAGG is not
#   cut.
#
# Why it matters: the report shrinks by a few per cent, or by the products beyond the limit, just when the assortment has grown
# past it; what is missing is taken for sold out, and a guard for large drops sees nothing. The number of bytes gives it
# away: 1,048,578. Have the vendor set `group_concat_max_len`, or send the number of items with the list.
set -euo pipefail
folder=$(mktemp -d)
database="finding_$$"
trap 'mariadb -e "DROP DATABASE IF EXISTS $database" || true; rm -rf "$folder"' EXIT
cd "$folder"
mariadb -e "SELECT version(), @@group_concat_max_len; CREATE DATABASE $database"
query() { mariadb --batch --raw --skip-column-names "$database" -e "$1"; }
products="SELECT LPAD(seq, 8, '0') AS ean, 10 + seq % 90 AS quantity FROM seq_1_to_99999"
query "SELECT JSON_ARRAYAGG(JSON_ARRAY(ean, quantity)) FROM ($products) AS stock" >pairs.json
query "SELECT JSON_OBJECTAGG(ean, quantity) FROM ($products) AS stock" >map.json
query "SELECT JSON_ARRAYAGG(4006381000000 + seq) FROM seq_1_to_99999" >ids.json
for length in $(seq 1 36); do
  echo "SELECT JSON_ARRAYAGG(item) FROM (SELECT JSON_COMPACT(JSON_QUOTE(REPEAT('x', $length))) AS item UNION ALL"
  echo "  SELECT JSON_OBJECT('sku', LPAD(seq, 8, '0'), 'quantity', 10 + seq % 90) FROM seq_1_to_40000) AS stock;"
done >objects.sql
mariadb --batch --raw --skip-column-names "$database" <objects.sql >objects.json
python3 - <<'PYTHON'
import json, sys

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def parse(text):
    try:
        return len(json.loads(text))
    except ValueError:
        return None

def read(name):
    with open(name) as file:
        return file.read().removesuffix("\n")

pairs = read("pairs.json")
expect("bytes of the list of pairs", len(pairs), 1048578)
expect("pairs, of 99,999", parse(pairs), 61681)
expect("members of the map, of 99,999", parse(read("map.json")), 99999)
ids = json.loads(read("ids.json"))
expect("ids, of 99,999, and the last", (len(ids), ids[-1]), (74899, 4006))
lists = read("objects.json").split("\n")
expect("lists of 35-byte objects", len(lists), 36)
expect("those that are valid, with their items", [length for length in map(parse, lists) if length], [29128])
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
