#!/usr/bin/env bash
# A stock file that is written twice within a second, with the same number of bytes, over nginx, Apache and aiohttp. Needs root on
# Debian with Python 3 and curl; unpacks nginx and apache2-bin of the distribution in a temporary folder (nothing is installed),
# and installs aiohttp 3.14.5 there. Observed on 2026-11-30 with nginx 1.22.1 and Apache 2.4.71.
#
# Expected: a strong ETag (without W/) identifies the bytes, so other bytes have another one (RFC 9110, 8.8.1).
# Observed: nginx makes it of the second of the modification and of the size, and calls it strong. A file in which `12` became `11`
#   in the same second keeps ETag and `Last-Modified`, also when it was replaced by a rename: a client with the first version
#   gets 304 for it until the next report. Apache (microseconds) and aiohttp (nanoseconds) distinguish the versions, unless
#   the program that copies the file sets a time of whole seconds, as FTP's MFMT and SFTP do: then all three send 304.
#
# Why it matters: an exporter may write a list and correct it at once, and `12` and `11` have the same width. A poller that
# revalidates by ETag then sells the old quantity until the next report. Fetch a file again without a condition once its
# modification is more than a second ago, and never treat "same ETag" as "same content" where content is at hand.
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
packages=(apache2-bin libapr1 libaprutil1 nginx nginx-light)
apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -qq
apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}"
for package in *.deb; do dpkg-deb -x "$package" root; done
python3 -m venv venv
venv/bin/pip install --quiet aiohttp==3.14.5
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
nginx_port=$(free_port); apache_port=$(free_port); aiohttp_port=$(free_port)
mkdir documents run
echo start >documents/stock.csv
cat >apache.conf <<CONF
ServerRoot $folder/run
ServerName localhost
Listen 127.0.0.1:$apache_port
PidFile $folder/run/apache.pid
ErrorLog $folder/run/apache.log
DefaultRuntimeDir $folder/run
Mutex file:$folder/run
LoadModule mpm_event_module $folder/root/usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module $folder/root/usr/lib/apache2/modules/mod_authz_core.so
DocumentRoot $folder/documents
CONF
cat >nginx.conf <<CONF
daemon off; master_process off; pid $folder/run/nginx.pid; error_log $folder/run/nginx.log;
events {}
http {
  access_log off;
  client_body_temp_path $folder/run/1; proxy_temp_path $folder/run/2; fastcgi_temp_path $folder/run/3;
  uwsgi_temp_path $folder/run/4; scgi_temp_path $folder/run/5;
  server { listen 127.0.0.1:$nginx_port; root $folder/documents; }
}
CONF
root/usr/sbin/nginx -e "$folder/run/nginx.log" -c "$folder/nginx.conf" & pids+=($!)
LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu" root/usr/sbin/apache2 -f "$folder/apache.conf" -DFOREGROUND & pids+=($!)
venv/bin/python - "$aiohttp_port" <<'PYTHON' & pids+=($!)
import sys
from aiohttp import web
application = web.Application()
application.router.add_static("/", "documents")
web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)
PYTHON
for port in "$nginx_port" "$apache_port" "$aiohttp_port"; do
  curl --silent --output /dev/null --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/stock.csv"
done
python3 - "$nginx_port" "$apache_port" "$aiohttp_port" <<'PYTHON'
import os, sys, urllib.error, urllib.request

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def get(port, etag=None):
    headers = {"If-None-Match": etag} if etag else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/stock.csv", headers=headers)) as response:
            return response.status, response.headers["ETag"], response.headers["Server"], response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["ETag"], error.headers["Server"], b""

def put(quantity, millis):
    with open("documents/new", "w") as file:
        file.write(f"sku,quantity\nA,{quantity}\n")
    nanos = 1793260800 * 10**9 + millis * 10**6
    os.utime("documents/new", ns=(nanos, nanos))
    os.rename("documents/new", "documents/stock.csv")

names = ["nginx", "Apache", "aiohttp"]
for times, statuses in (((100, 700), [304, 200, 200]), ((0, 0), [304, 304, 304])):
    put(12, times[0])
    first = [get(port) for port in sys.argv[1:]]
    put(11, times[1])
    for name, port, before, status in zip(names, sys.argv[1:], first, statuses):
        assert before[3].endswith(b"A,12\n") and get(port)[3].endswith(b"A,11\n")
        print(before[2], "first", before[1], "second", get(port)[1])
        is_strong = not before[1].startswith("W/")
        expect(f"{name}, .{times[0]:03} and .{times[1]:03} of one second: strong, revalidation of the first version",
               (is_strong, get(port, before[1])[0]), (True, status))
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
