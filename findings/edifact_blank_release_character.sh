#!/usr/bin/env bash
# An EDIFACT inventory report whose UNA segment declares no release character. Needs Python 3 and Node.js; installs pydifact 0.2.3,
# edifact 1.2.12 and ts-edifact 0.0.14 (with htmlparser2 12.0.0, which it requires but does not declare) in a temporary folder.
# Observed on 2026-11-30.
#
# Expected: a blank at the fourth place of `UNA:+.  '` means that the release character is not used (ISO 9735), so blanks and `?`
#   within values are data.
# Observed: pydifact and edifact take the blank itself for the release character: each blank is removed from each value, so the ids
#   `AB 12` and `AB12` are the same product, and `1 000` is 1000. Two blanks become one. A blank at the end of a value takes
#   its meaning from the terminator: `IMD+F++:::RED SHIRT 'QTY+145:12'` is a single segment, and the product has no quantity.
#   Neither gives a warning. ts-edifact keeps the blanks and all segments.
#
# Why it matters: texts that are padded with blanks are usual, and a product whose quantity is lost is taken for absent or sold out,
# only for partners that send such a UNA. With the usual `UNA:+.? '` the same segments are read correctly, so tests with the
# files of one partner do not show it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pydifact==0.2.3
npm init --yes >npm.log
npm install --silent --no-audit --no-fund edifact@1.2.12 ts-edifact@0.0.14 htmlparser2@12.0.0 >>npm.log 2>&1
segments="LIN+1++AB 12:SA'LIN+2++AB12:SA'LIN+3++AB  12:SA'QTY+145:1 000'"
printf '%s' "UNA:+.  '$segments" >blank.edi
printf '%s' "UNA:+.? '$segments" >usual.edi
printf '%s' "UNA:+.  'LIN+1++A-1:SA'IMD+F++:::RED SHIRT 'QTY+145:12'LIN+2++A-2:SA'QTY+145:7'" >padded.edi
cat >python.py <<'PYTHON'
import json, sys, warnings
warnings.simplefilter("ignore")
from pydifact import Parser
with open(sys.argv[1]) as file:
    segments = [segment for segment in Parser().parse(file.read()) if segment.tag != "UNA"]
tags = [segment.tag for segment in segments]
print(json.dumps(tags if "IMD" in tags else [segment.elements[-1][segment.tag == "QTY"] for segment in segments]))
PYTHON
cat >node.js <<'JAVASCRIPT'
const { Parser } = require(process.argv[2]);
const values = [], tags = [];
let components;
const parser = new Parser();
parser.onopensegment = parser.onOpenSegment = (tag) => { tags.push(tag); components = []; };
parser.oncomponent = parser.onComponent = (data) => components.push(data);
parser.onclosesegment = parser.onCloseSegment = () => values.push(components[tags.at(-1) === "QTY" ? 1 : 2]);
parser.write(require("fs").readFileSync(process.argv[3], "utf8"));
parser.end();
console.log(JSON.stringify(tags.includes("IMD") ? tags : values));
JAVASCRIPT
failed=0
expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || { echo "changed: $2, not $3" >&2; failed=1; }
}
kept='["AB 12","AB12","AB  12","1 000"]'
read_by() {
  case $1 in
    pydifact) venv/bin/python python.py "$2" | sed 's/", "/","/g' ;;
    *) node node.js "$1" "$2" 2>/dev/null ;;
  esac
}
for library in pydifact edifact ts-edifact; do expect "$library, UNA:+.? '" "$(read_by $library usual.edi)" "$kept"; done
for library in pydifact edifact; do
  expect "$library, UNA:+.  '" "$(read_by $library blank.edi)" '["AB12","AB12","AB 12","1000"]'
done
expect "ts-edifact, UNA:+.  '" "$(read_by ts-edifact blank.edi)" "$kept"
for library in pydifact edifact; do
  expect "$library, padded text" "$(read_by $library padded.edi)" '["LIN","IMD","LIN","QTY"]'
done
expect "ts-edifact, padded text" "$(read_by ts-edifact padded.edi)" '["LIN","IMD","QTY","LIN","QTY"]'
exit $failed
