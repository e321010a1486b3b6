#!/usr/bin/env bash
# A static stock file whose modification time lies in the future, over HTTP. Needs root on Debian with Python 3 and curl; unpacks
# apache2-bin and nginx of the distribution in a temporary folder (nothing is installed). Observed on 2026-11-30 with Apache
# 2.4.71 and nginx 1.22.1.
#
# Expected: `Last-Modified` is the file's modification time, the same in each response until the file changes.
# Observed: nginx does that. Apache sends the time of the request instead, so the same unchanged file has a later `Last-Modified`
#   in each response, always equal to `Date`; its ETag becomes weak and keeps its value. A revalidation with the two values
#   that Apache itself sent (If-None-Match and If-Modified-Since) is a 200 with the whole file, since Apache evaluates
#   If-Modified-Since although If-None-Match is present and matches (RFC 9110, 13.1.3, says to ignore it). With
#   If-None-Match alone it is a 304.
#
# Why it matters: an upload that keeps a local time as if it were UTC gives a file such a time. A client that takes `Last-Modified`
# as proof of when the stock was counted gets a new proof with each poll of an old file, for hours. A `Last-Modified` equal
# to `Date` under an ETag that was seen before proves nothing later than the first response with that ETag.
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
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
apache_port=$(free_port)
nginx_port=$(free_port)
mkdir documents run
printf 'sku,quantity\nA,5\n' >documents/stock.csv
touch -d '+2 hours' documents/stock.csv
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
root/usr/sbin/apache2 -f "$folder/apache.conf" -DFOREGROUND & pids+=($!)
root/usr/sbin/nginx -e "$folder/run/nginx.log" -c "$folder/nginx.conf" & pids+=($!)
unset LD_LIBRARY_PATH
for port in "$apache_port" "$nginx_port"; do
  curl --silent --output /dev/null --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/stock.csv"
done
python3 - "$apache_port" "$nginx_port" <<'PYTHON'
import sys, time, urllib.error, urllib.request
from email.utils import parsedate_to_datetime

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def get(port, headers={}):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/stock.csv", headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers

for port, is_clamped in ((sys.argv[1], True), (sys.argv[2], False)):
    _, first = get(port)
    time.sleep(2.1)
    _, second = get(port)
    server = first["Server"]
    for headers in (first, second):
        print(server, "Date:", headers["Date"], "Last-Modified:", headers["Last-Modified"], "ETag:", headers["ETag"])
    dates = [parsedate_to_datetime(headers[name]) for headers in (first, second) for name in ("Date", "Last-Modified")]
    expect(f"{server}: Last-Modified equals Date", (dates[0] == dates[1], dates[2] == dates[3]), (is_clamped, is_clamped))
    expect(f"{server}: Last-Modified of the second response is later", dates[3] > dates[1], is_clamped)
    expect(f"{server}: same ETag, weak", (first["ETag"] == second["ETag"], first["ETag"].startswith("W/")), (True, is_clamped))
    both = {"If-None-Match": first["ETag"], "If-Modified-Since": first["Last-Modified"]}
    expect(f"{server}: revalidation with both", get(port, both)[0], 200 if is_clamped else 304)
    expect(f"{server}: revalidation with the ETag", get(port, {"If-None-Match": first["ETag"]})[0], 304)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
