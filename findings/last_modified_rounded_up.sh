#!/usr/bin/env bash
# Which second `Last-Modified` names for a file that was written within a second. Needs Python 3 and Node.js; installs aiohttp
# 3.14.5 and express 5.3.0 in a temporary folder. Observed on 2026-11-30.
#
# Expected: a time is cut to the second, so `Last-Modified` is never later than the modification of the file, and the file was
#   modified within the second that it names.
# Observed: Python's http.server and express do that. The static files of aiohttp are rounded *up*: a file of 08:00:00.100 is said
#   to be of 08:00:01. A file that was written in the current second has a `Last-Modified` later than the `Date` of the
#   response, which RFC 9110, 8.8.2.1, forbids.
#
# Why it matters: a report proves that a shipment is included only if it was counted after the shipment. With the usual reading a
# unit shipped at 08:00:00.500 is before "08:00:01" and is taken for counted, though the file is older; the unit is sold
# twice. Subtract a second from `Last-Modified`, and do not treat one that is a second ahead of `Date` as a broken clock.
set -euo pipefail
folder=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet aiohttp==3.14.5
npm init --yes >npm.log
npm install --silent --no-audit --no-fund express@5.3.0 >>npm.log 2>&1
mkdir documents
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
aiohttp_port=$(free_port); express_port=$(free_port); python_port=$(free_port)
venv/bin/python - "$aiohttp_port" <<'PYTHON' & pids+=($!)
import sys
from aiohttp import web
application = web.Application()
application.router.add_static("/", "documents")
web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)
PYTHON
node -e '
const express = require("express");
const application = express();
application.use(express.static("documents"));
application.listen(Number(process.argv[1]), "127.0.0.1");
' "$express_port" & pids+=($!)
python3 -m http.server "$python_port" --bind 127.0.0.1 --directory documents >/dev/null 2>&1 & pids+=($!)
python3 - "$aiohttp_port" "$express_port" "$python_port" <<'PYTHON'
import os, sys, time, urllib.request
from email.utils import parsedate_to_datetime

PATH = "documents/stock.csv"
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def times(port):
    for _ in range(80):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/stock.csv") as response:
                return tuple(parsedate_to_datetime(response.headers[name]) for name in ("Last-Modified", "Date"))
        except OSError:
            time.sleep(0.25)
    sys.exit(f"no server at port {port}")

with open(PATH, "w") as file:
    file.write("sku,quantity\nA,5\n")
for server, port, is_later in (("aiohttp", sys.argv[1], True), ("express", sys.argv[2], False),
                               ("http.server", sys.argv[3], False)):
    for millis in (0, 100, 900):
        second = int(parsedate_to_datetime("Sun, 01 Nov 2026 08:00:00 GMT").timestamp())
        nanos = second * 10**9 + millis * 10**6
        os.utime(PATH, ns=(nanos, nanos))
        modified, _ = times(port)
        expected = "08:00:01" if is_later and millis else "08:00:00"
        expect(f"{server}: Last-Modified of a file of 08:00:00.{millis:03}", modified.strftime("%H:%M:%S"), expected)
    # The file and the response fall into one second.
    time.sleep(1.05 - time.time() % 1)
    os.utime(PATH)
    modified, date = times(port)
    expect(f"{server}: Last-Modified less Date, in seconds", (modified - date).total_seconds(), 1.0 if is_later else 0.0)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
