#!/usr/bin/env bash
# A streamed CSV export that fails half-way, read directly and through reverse proxies. Needs root on Debian with Python 3 and curl;
# unpacks nginx, caddy, apache2-bin and haproxy of the distribution in a temporary folder (nothing is installed), and installs
# gunicorn 27.0.1 and uvicorn 0.54.0 there. Observed on 2026-11-30 with nginx 1.22.1, Caddy 2.6.2, Apache 2.4.71 and HAProxy
# 2.6.12.
#
# Expected: the application server closes the connection without the last chunk, and a proxy does the same, so a client knows that
#   the body is not complete.
# Observed: of 5,000 products the export yields 3,000 before it fails. Direct, and behind Apache and HAProxy, the client gets an
#   incomplete body. Behind nginx and Caddy it gets a *complete* response with status 200, ended by a proper last chunk:
#   - nginx requests with HTTP/1.0 unless `proxy_http_version 1.1` is set. gunicorn and uvicorn send no chunks then, and the end
#     of the connection is the end of the body. nginx logs no error, and `proxy_cache` keeps the short body for other clients.
#   - Caddy requests with HTTP/1.1, gets the broken body, and ends its own response as if it were whole.
#
# Why it matters: a generator fails between two rows, so the short report has only whole rows, and 2,000 products are taken for sold
# out. Neither a client nor the log of nginx shows it. A guard for large drops holds such a report only if it failed early. Have the
# vendor state the number of rows, write the report to a file first, or set `proxy_http_version 1.1`.
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
packages=(nginx nginx-light caddy apache2-bin libapr1 libaprutil1 haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1)
apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -qq
apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}"
for package in *.deb; do dpkg-deb -x "$package" root; done
python3 -m venv venv
venv/bin/pip install --quiet gunicorn==27.0.1 uvicorn==0.54.0
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
gunicorn=$(free_port); uvicorn=$(free_port); nginx=$(free_port); caddy=$(free_port); apache=$(free_port); haproxy=$(free_port)
mkdir run
cat >app.py <<'PYTHON'
def rows(path):
    yield b"sku,quantity\n"
    for number in range(5000):
        if number == 3000 and path.endswith("/failing"):
            raise ConnectionError("the database was restarted")
        yield b"P-%04d,7\n" % number

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/csv")])
    return rows(environ["PATH_INFO"])

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/csv")]})
    for row in rows(scope["path"]):
        await send({"type": "http.response.body", "body": row, "more_body": True})
    await send({"type": "http.response.body"})
PYTHON
cat >nginx.conf <<CONF
daemon off; master_process off; pid $folder/run/nginx.pid; error_log $folder/run/nginx.log;
events {}
http {
  access_log off;
  client_body_temp_path $folder/run/1; proxy_temp_path $folder/run/2; fastcgi_temp_path $folder/run/3;
  uwsgi_temp_path $folder/run/4; scgi_temp_path $folder/run/5; proxy_cache_path $folder/run/cache keys_zone=reports:1m;
  server {
    listen 127.0.0.1:$nginx;
    location /gunicorn/ { proxy_pass http://127.0.0.1:$gunicorn; }
    location /gunicorn/1.1/ { proxy_pass http://127.0.0.1:$gunicorn; proxy_http_version 1.1; }
    location /gunicorn/cache/ { proxy_pass http://127.0.0.1:$gunicorn; proxy_cache reports; proxy_cache_valid 1m;
      add_header Cache \$upstream_cache_status; }
    location /uvicorn/ { proxy_pass http://127.0.0.1:$uvicorn; }
  }
}
CONF
printf '{\n admin off\n}\nhttp://127.0.0.1:%s {\n reverse_proxy 127.0.0.1:%s\n}\n' "$caddy" "$gunicorn" >Caddyfile
modules=$folder/root/usr/lib/apache2/modules
cat >apache.conf <<CONF
ServerRoot $folder/run
ServerName localhost
Listen 127.0.0.1:$apache
PidFile $folder/run/apache.pid
ErrorLog $folder/run/apache.log
DefaultRuntimeDir $folder/run
Mutex file:$folder/run
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
ProxyPass / http://127.0.0.1:$gunicorn/
CONF
cat >haproxy.cfg <<CONF
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen reports
  bind 127.0.0.1:$haproxy
  server app 127.0.0.1:$gunicorn
CONF
venv/bin/gunicorn --bind "127.0.0.1:$gunicorn" app:wsgi 2>run/gunicorn.log & pids+=($!)
venv/bin/uvicorn --port "$uvicorn" --lifespan off app:asgi >run/uvicorn.log 2>&1 & pids+=($!)
HOME=$folder root/usr/bin/caddy run --adapter caddyfile --config Caddyfile 2>run/caddy.log & pids+=($!)
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
root/usr/sbin/nginx -e "$folder/run/nginx.log" -c "$folder/nginx.conf" & pids+=($!)
root/usr/sbin/apache2 -f "$folder/apache.conf" -DFOREGROUND & pids+=($!)
root/usr/sbin/haproxy -db -f haproxy.cfg 2>run/haproxy.log & pids+=($!)
unset LD_LIBRARY_PATH
for port in "$gunicorn" "$uvicorn" "$nginx" "$caddy" "$apache" "$haproxy"; do
  curl --silent --output /dev/null --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/gunicorn/whole"
done
: >run/nginx.log
python3 - "$gunicorn" "$uvicorn" "$nginx" "$caddy" "$apache" "$haproxy" <<'PYTHON'
import http.client, sys

gunicorn, uvicorn, nginx, caddy, apache, haproxy = map(int, sys.argv[1:])
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    response = connection.getresponse()
    try:
        body, end = response.read(), "complete"
    except http.client.IncompleteRead as error:
        body, end = error.partial, "incomplete"
    connection.close()
    products = body.count(b"P-") if end == "complete" else "fewer"
    return response.status, products, end, *filter(None, [response.headers["Cache"]])

incomplete = (200, "fewer", "incomplete")
for name, port, path, seen in (
    ("gunicorn", gunicorn, "/gunicorn/", incomplete), ("uvicorn", uvicorn, "/uvicorn/", incomplete),
    ("gunicorn behind Apache", apache, "/gunicorn/", incomplete), ("gunicorn behind HAProxy", haproxy, "/gunicorn/", incomplete),
    ("gunicorn behind Caddy", caddy, "/gunicorn/", (200, 3000, "complete")),
    ("gunicorn behind nginx", nginx, "/gunicorn/", (200, 3000, "complete")),
):
    expect(f"{name}, whole export", get(port, path + "whole"), (200, 5000, "complete"))
    expect(f"{name}, failing export", get(port, path + "failing"), seen)
for cache in ("MISS", "HIT"):
    expect("gunicorn behind nginx, proxy_cache", get(nginx, "/gunicorn/cache/failing"), (200, 3000, "complete", cache))
with open("run/nginx.log") as log:
    expect("lines in the error log of nginx", len(log.readlines()), 0)
expect("gunicorn behind nginx, proxy_http_version 1.1", get(nginx, "/gunicorn/1.1/failing"), incomplete)
expect("uvicorn behind nginx, failing export", get(nginx, "/uvicorn/failing"), (200, 3000, "complete"))
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
