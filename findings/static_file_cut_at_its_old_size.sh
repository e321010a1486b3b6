#!/usr/bin/env bash
# A static stock file that is replaced by a longer one, over servers that remember its size. Needs root on Debian with Python 3 and
# Node.js; unpacks lighttpd, nginx and apache2-bin of the distribution in a temporary folder (nothing is installed), and installs
# whitenoise 6.12.0 with gunicorn 27.0.1, and sirv 3.0.2 there. Observed on 2026-11-30 with lighttpd 1.4.69, nginx 1.22.1 and
# Apache 2.4.71.
#
# Expected: a response has size, `Last-Modified` and ETag of the file whose bytes it sends.
# Observed: Apache, and nginx by default, do that. The others send the *new* bytes up to the *old* length, with status 200, a right
#   Content-Length for what is sent, and the old `Last-Modified` and ETag. 150 rows that replace 100 become the first 100 of them:
#     lighttpd, by default                  written in place       for 1 to 2 seconds after an earlier request
#     nginx with `open_file_cache`          written in place       for 60 seconds by default
#     WhiteNoise, sirv (both by default)    in place or renamed    until the program is restarted
#   To a request with the ETag that they sent WhiteNoise and sirv respond 304 for as long as they run. A shorter file is an
#   incomplete body, which a client notices.
#
# Why it matters: rows of one length are usual in files of fixed ids and small numbers, and the cut is between two rows then: the
# report is well-formed, its last 50 products are absent and taken for sold out, and nothing else is wrong. A client that sends the
# ETag never gets another report from WhiteNoise and sirv. Have the vendor replace files by a rename, and serve them neither with
# `open_file_cache` nor from a folder that is meant for assets.
set -euo pipefail
folder=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"
cd "$folder"
packages=(lighttpd nginx nginx-light apache2-bin libapr1 libaprutil1)
apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -qq
apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}"
for package in *.deb; do dpkg-deb -x "$package" root; done
python3 -m venv venv
venv/bin/pip install --quiet whitenoise==6.12.0 gunicorn==27.0.1
npm init --yes >npm.log
npm install --silent --no-audit --no-fund sirv@3.0.2 >>npm.log 2>&1
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ports=()
for _ in 1 2 3 4 5 6; do ports+=("$(free_port)"); done
mkdir documents run
chmod 755 documents
python3 -c 'print("sku,quantity"); [print(f"P-{number:04d},9") for number in range(100)]' >documents/stock.csv
cat >lighttpd.conf <<CONF
server.document-root = "$folder/documents"
server.bind = "127.0.0.1"
server.port = ${ports[0]}
mimetype.assign = (".csv" => "text/csv")
CONF
cat >nginx.conf <<CONF
daemon off; master_process off; pid $folder/run/nginx.pid; error_log $folder/run/nginx.log;
events {}
http {
  access_log off;
  client_body_temp_path $folder/run/1; proxy_temp_path $folder/run/2; fastcgi_temp_path $folder/run/3;
  uwsgi_temp_path $folder/run/4; scgi_temp_path $folder/run/5; root $folder/documents;
  server { listen 127.0.0.1:${ports[1]}; open_file_cache max=100; }
  server { listen 127.0.0.1:${ports[2]}; }
}
CONF
cat >apache.conf <<CONF
ServerRoot $folder/run
ServerName localhost
Listen 127.0.0.1:${ports[3]}
PidFile $folder/run/apache.pid
ErrorLog $folder/run/apache.log
DefaultRuntimeDir $folder/run
Mutex file:$folder/run
LoadModule mpm_event_module $folder/root/usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module $folder/root/usr/lib/apache2/modules/mod_authz_core.so
DocumentRoot $folder/documents
CONF
cat >app.py <<'PYTHON'
from whitenoise import WhiteNoise

def not_found(environ, start_response):
    start_response("404 Not Found", [])
    return [b""]

app = WhiteNoise(not_found, root="documents")
PYTHON
cat >app.js <<'JAVASCRIPT'
const serve = require("sirv")("documents", { etag: true });
require("http").createServer(serve).listen(process.argv[2], "127.0.0.1");
JAVASCRIPT
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
root/usr/sbin/lighttpd -D -m root/usr/lib/lighttpd -f lighttpd.conf 2>run/lighttpd.log & pids+=($!)
root/usr/sbin/nginx -e "$folder/run/nginx.log" -c "$folder/nginx.conf" & pids+=($!)
root/usr/sbin/apache2 -f "$folder/apache.conf" -DFOREGROUND & pids+=($!)
unset LD_LIBRARY_PATH
venv/bin/gunicorn --bind "127.0.0.1:${ports[4]}" app:app 2>run/gunicorn.log & pids+=($!)
node app.js "${ports[5]}" & pids+=($!)
python3 - "${ports[@]}" <<'PYTHON'
import http.client, os, sys, time

names = ["lighttpd", "nginx, open_file_cache", "nginx", "Apache", "WhiteNoise", "sirv"]
ports = dict(zip(names, map(int, sys.argv[1:])))
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def get(name, headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", ports[name], timeout=10)
    connection.request("GET", "/stock.csv", headers=headers)
    response = connection.getresponse()
    rows = response.read().decode().splitlines()[1:]
    connection.close()
    return response.status, rows, (response.headers["ETag"], response.headers["Last-Modified"])

def text(products, quantity):
    return "sku,quantity\n" + "".join(f"P-{number:04d},{quantity}\n" for number in range(products))

def write(path, products, quantity):
    with open(path, "w") as file:
        file.write(text(products, quantity))

for name in names:
    for attempt in range(60):
        try:
            get(name)
            break
        except OSError:
            time.sleep(0.25)
time.sleep(3)
is_cut = {"lighttpd", "nginx, open_file_cache", "WhiteNoise", "sirv"}
first = {name: get(name) for name in reversed(names)}  # lighttpd last: it remembers for a second
write("documents/stock.csv", 150, 4)
for name in names:
    status, rows, tags = get(name)
    whole = (200, 150, "P-0149,4", False)
    expect(f"{name}, written in place: status, rows, last row, old ETag and time", (status, len(rows), rows[-1], tags == first[name][2]),
           (200, 100, "P-0099,4", True) if name in is_cut else whole)
time.sleep(3)
expect("lighttpd, 3 seconds later: rows", len(get("lighttpd")[1]), 150)
write("documents/next.csv", 150, 2)
os.rename("documents/next.csv", "documents/stock.csv")
time.sleep(3)
for name in names:
    remembers = name in ("WhiteNoise", "sirv")
    if name == "nginx, open_file_cache":
        expect(f"{name}, renamed: rows of the file that was open", len(get(name)[1]), 100)
        continue
    status, rows, _ = get(name)
    expect(f"{name}, renamed: rows, last row", (len(rows), rows[-1]), (100, "P-0099,2") if remembers else (150, "P-0149,2"))
    expect(f"{name}, with the first ETag: status", get(name, {"If-None-Match": first[name][2][0]})[0], 304 if remembers else 200)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
