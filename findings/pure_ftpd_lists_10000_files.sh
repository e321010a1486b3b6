#!/usr/bin/env bash
# The newest of 10,500 reports in a directory that Pure-FTPd, ProFTPD and pyftpdlib list. Needs root on Debian with Python 3 and
# OpenSSL; unpacks pure-ftpd and proftpd of the distribution in a temporary folder (nothing is installed), and installs pyftpdlib
# 2.2.0 there. Observed on 2026-11-30 with Pure-FTPd 1.0.50 and ProFTPD 1.3.8.
#
# Expected: a listing has all files, or the server reports an error.
# Observed: ProFTPD and pyftpdlib list all. Pure-FTPd, as it is installed, ends each listing after 10,000 files and then reports
#   success: MLSD, NLST and LIST with the code 226 and the text "Output truncated to 10000 matches", `STAT .` with 213 and no
#   note at all. MLSD and NLST take the first entries in the order of the directory on disk, so it is a matter of chance whether
#   the newest file is among them. LIST sorts before it cuts: by name it lacks the newest 500 of names with a date or number,
#   with `-t` the oldest 500. MDTM and SIZE know all files.
#
# Why it matters: a vendor that writes a report each five minutes and removes none reaches the limit after 35 days. Each further
# report is seen or not by chance, a reader takes an older one for the newest, the stock no longer changes, and no command fails:
# clients look at the code of the reply. Read the text of the 226, or have the vendor keep one name, or remove old reports.
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
packages=(pure-ftpd proftpd-core libhiredis0.14 libmemcached11 libmemcachedutil2 libhashkit2 libpcre2-posix3)
apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -qq
apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}"
for package in *.deb; do dpkg-deb -x "$package" root; done
python3 -m venv venv
venv/bin/pip install --quiet pyftpdlib==2.2.0
mkdir home run
python3 - <<'PYTHON'
import os
for number in range(10500):
    name = f"home/stock_{number:05d}.csv"
    with open(name, "w") as file:
        file.write("sku,quantity\nA,5\n")
    written = 1_790_000_000 + 300 * number
    os.utime(name, (written, written))
PYTHON
user=daemon
uid=$(id -u "$user")
gid=$(id -g "$user")
chown -R "$uid:$gid" home
password=$(openssl passwd -6 secret)
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
pureftpd=$(free_port); proftpd=$(free_port); pyftpdlib=$(free_port)
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
printf 'shop:%s:%s:%s::%s/./::::::::::::\n' "$password" "$uid" "$gid" "$folder/home" >pureftpd.passwd
root/usr/bin/pure-pw mkdb "$folder/pureftpd.pdb" -f "$folder/pureftpd.passwd"
root/usr/sbin/pure-ftpd -S "127.0.0.1,$pureftpd" -l "puredb:$folder/pureftpd.pdb" -H -u 1 -g "$folder/run/pureftpd.pid" &
pids+=($!)
printf 'shop:%s:%s:%s::%s:/bin/sh\n' "$password" "$uid" "$gid" "$folder/home" >proftpd.passwd
chmod 600 proftpd.passwd
cat >proftpd.conf <<CONF
ServerType standalone
DefaultAddress 127.0.0.1
Port $proftpd
UseReverseDNS off
AuthUserFile $folder/proftpd.passwd
AuthOrder mod_auth_file.c
RequireValidShell off
User $user
Group $(id -gn "$user")
PidFile $folder/run/proftpd.pid
ScoreboardFile $folder/run/proftpd.score
DelayEngine off
WtmpLog off
DefaultRoot ~
CONF
root/usr/sbin/proftpd -n -c "$folder/proftpd.conf" 2>run/proftpd.log & pids+=($!)
unset LD_LIBRARY_PATH
venv/bin/python - "$pyftpdlib" "$folder/home" 2>run/pyftpdlib.log <<'PYTHON' & pids+=($!)
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user("shop", "secret", sys.argv[2])
FTPServer(("127.0.0.1", int(sys.argv[1])), FTPHandler).serve_forever()
PYTHON
python3 - "$pureftpd" "$proftpd" "$pyftpdlib" <<'PYTHON'
import ftplib, sys, time

ALL = [f"stock_{number:05d}.csv" for number in range(10500)]
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def connect(port):
    for _ in range(40):
        try:
            ftp = ftplib.FTP()
            ftp.connect("127.0.0.1", int(port), timeout=30)
            break
        except OSError:
            time.sleep(0.25)
    ftp.login("shop", "secret")
    return ftp

def listed(ftp, command):
    lines = []
    reply = ftp.retrlines(command, lines.append)
    names = [line.split()[-1] for line in lines]
    return [name for name in names if name.startswith("stock_")], reply.splitlines()[-1]

pureftpd, proftpd, pyftpdlib = map(connect, sys.argv[1:])
for name, ftp in (("ProFTPD", proftpd), ("pyftpdlib", pyftpdlib)):
    for command in ("MLSD", "NLST"):
        names, reply = listed(ftp, command)
        expect(f"{name}, {command}: all files, code", (sorted(names) == ALL, reply[:3]), (True, "226"))
lists = {}
for command in ("MLSD", "NLST", "LIST", "LIST -t"):
    lists[command], reply = listed(pureftpd, command)
    # MLSD and NLST count "." and "..".
    count = len(set(lists[command]))
    print(f"Pure-FTPd, {command}: {count} files")
    expect(f"Pure-FTPd, {command}: 10,000 entries, reply", (9998 <= count <= 10000, reply),
           (True, "226 Output truncated to 10000 matches"))
expect("Pure-FTPd, MLSD and NLST have the same files", set(lists["MLSD"]) == set(lists["NLST"]), True)
expect("Pure-FTPd, LIST: the first 10,000 names", sorted(lists["LIST"]) == ALL[:10000], True)
expect("Pure-FTPd, LIST -t: the newest 10,000", sorted(lists["LIST -t"]) == ALL[500:], True)
status = pureftpd.sendcmd("STAT .").splitlines()
files = [line for line in status if ".csv" in line]
expect("Pure-FTPd, STAT: files, reply", (len(files), status[-1]), (10000, "213 End."))
missing = sorted(set(ALL) - set(lists["MLSD"]))
print("Pure-FTPd, MLSD: the oldest and the newest that are missing:", missing[0], missing[-1])
expect("Pure-FTPd, SIZE of a file that MLSD lacks", pureftpd.sendcmd(f"SIZE {missing[-1]}"), "213 17")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
