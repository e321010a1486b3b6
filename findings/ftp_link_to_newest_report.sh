#!/usr/bin/env bash
# A vendor's `latest.csv` that is a symbolic link to the newest report: its time and size over FTP and SFTP. Needs root on Debian
# with Python 3 and OpenSSL; unpacks vsftpd, pure-ftpd, proftpd and openssh-sftp-server of the distribution in a temporary
# folder (nothing is installed), and installs pyftpdlib 2.2.0 and paramiko 5.1.0 there. Observed on 2026-11-30 with vsftpd
# 3.0.3, Pure-FTPd 1.0.50, ProFTPD 1.3.8 and OpenSSH 9.2.
#
# Expected: one server gives one time and one size for one name, whichever command is used; a link is marked as one.
# Observed, for a link made on day 2 to a report of 17 bytes written on day 1:
#   server        listing (MLSD, readdir)       single (MLST)                 MDTM and SIZE, stat
#   vsftpd        command unknown               command unknown               day 1, 17 bytes
#   pyftpdlib     file, day 1, 17 bytes         file, day 1, 17 bytes         day 1, 17 bytes
#   Pure-FTPd     link, day 2, 9 bytes          link, day 2, 9 bytes          day 1, 17 bytes
#   ProFTPD       link, day 2, 9 bytes          *file*, day 2, 9 bytes        day 1, 17 bytes
#   OpenSSH       link, day 2, 9 bytes          (no such command)             day 1, 17 bytes
#   9 bytes is the length of the target's name, and no RETR gives it. ProFTPD's MLST says `type=file` for what its MLSD calls
#   `OS.unix=symlink`. The names of the type differ: `OS.unix=slink:` in Pure-FTPd, `OS.unix=symlink` in ProFTPD.
#
# Why it matters: a link that is renewed with each report is a usual way to give it a fixed name. A reader that prefers the
# facts of MLSD or MLST takes the time of the link for the time of the count, which can be a day too late; one that checks the
# size to see whether an upload is complete sees a mismatch each time; one that lists `type=file` only never finds the report.
# For anything but a plain `type=file` of a listing ask MDTM and SIZE (SFTP: stat), and do not take times from MLST.
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
packages=(vsftpd pure-ftpd proftpd-core openssh-sftp-server libhiredis0.14 libmemcached11 libmemcachedutil2 libhashkit2
  libpcre2-posix3)
apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -qq
apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}"
for package in *.deb; do dpkg-deb --show "$package"; dpkg-deb -x "$package" root; done
python3 -m venv venv
venv/bin/pip install --quiet pyftpdlib==2.2.0 paramiko==5.1.0
mkdir home run
printf 'sku,quantity\nA,5\n' >home/stock.csv
touch -d '2026-11-01 08:00:00Z' home/stock.csv
ln -s stock.csv home/latest.csv
touch -h -d '2026-11-02 09:00:00Z' home/latest.csv
user=daemon
uid=$(id -u "$user")
gid=$(id -g "$user")
chown -h "$uid:$gid" home/*
password=$(openssl passwd -6 secret)
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
vsftpd_port=$(free_port); pureftpd_port=$(free_port); proftpd_port=$(free_port); pyftpdlib_port=$(free_port)

cat >vsftpd.conf <<CONF
listen=YES
listen_address=127.0.0.1
listen_port=$vsftpd_port
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root=$folder/home
ftp_username=$user
nopriv_user=$user
secure_chroot_dir=$folder/run
seccomp_sandbox=NO
xferlog_enable=NO
CONF
root/usr/sbin/vsftpd "$folder/vsftpd.conf" & pids+=($!)

printf 'shop:%s:%s:%s::%s/./::::::::::::\n' "$password" "$uid" "$gid" "$folder/home" >pureftpd.passwd
root/usr/bin/pure-pw mkdb "$folder/pureftpd.pdb" -f "$folder/pureftpd.passwd"
root/usr/sbin/pure-ftpd -S "127.0.0.1,$pureftpd_port" -l "puredb:$folder/pureftpd.pdb" -H -u 1 -g "$folder/run/pureftpd.pid" &
pids+=($!)

printf 'shop:%s:%s:%s::%s:/bin/sh\n' "$password" "$uid" "$gid" "$folder/home" >proftpd.passwd
chmod 600 proftpd.passwd
cat >proftpd.conf <<CONF
ServerType standalone
DefaultAddress 127.0.0.1
Port $proftpd_port
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
LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu" root/usr/sbin/proftpd -n -c "$folder/proftpd.conf" 2>run/proftpd.log &
pids+=($!)

venv/bin/python - "$pyftpdlib_port" "$folder/home" 2>run/pyftpdlib.log <<'PYTHON' & pids+=($!)
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user("shop", "secret", sys.argv[2])
FTPServer(("127.0.0.1", int(sys.argv[1])), FTPHandler).serve_forever()
PYTHON

venv/bin/python - "$vsftpd_port" "$pyftpdlib_port" "$pureftpd_port" "$proftpd_port" <<'PYTHON'
import ftplib, socket, stat, subprocess, sys, time
from datetime import datetime, timezone
import paramiko

FILE, LINK, UNKNOWN = ("20261101080000", "17"), ("20261102090000", "9"), "unknown"
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def connect(port, user):
    for _ in range(40):
        try:
            ftp = ftplib.FTP()
            ftp.connect("127.0.0.1", int(port), timeout=10)
            break
        except OSError:
            time.sleep(0.25)
    ftp.login(user, "secret")
    return ftp

def facts(line):
    found = dict(fact.split("=", 1) for fact in line.strip().split("; ")[0].split(";") if "=" in fact)
    found = {name.lower(): value for name, value in found.items()}
    return found["type"], (found["modify"], found["size"])

def listed(ftp):
    lines = []
    try:
        ftp.retrlines("MLSD", lines.append)
    except ftplib.error_perm:
        return UNKNOWN
    return next(facts(line) for line in lines if line.endswith(" latest.csv"))

def single(ftp):
    try:
        return facts(ftp.sendcmd("MLST latest.csv").splitlines()[1])
    except ftplib.error_perm:
        return UNKNOWN

servers = ["vsftpd", "pyftpdlib", "Pure-FTPd", "ProFTPD"]
expected = {
    "vsftpd": (UNKNOWN, UNKNOWN),
    "pyftpdlib": (("file", FILE), ("file", FILE)),
    "Pure-FTPd": (("OS.unix=slink:", LINK), ("OS.unix=slink:", LINK)),
    "ProFTPD": (("OS.unix=symlink", LINK), ("file", LINK)),
}
for server, port in zip(servers, sys.argv[1:]):
    ftp = connect(port, "anonymous" if server == "vsftpd" else "shop")
    expect(f"{server}: MLSD", listed(ftp), expected[server][0])
    expect(f"{server}: MLST", single(ftp), expected[server][1])
    ftp.voidcmd("TYPE I")
    alone = tuple(ftp.sendcmd(f"{command} latest.csv")[4:] for command in ("MDTM", "SIZE"))
    expect(f"{server}: MDTM and SIZE", alone, FILE)
    ftp.quit()

def shown(attributes):
    kind = "link" if stat.S_ISLNK(attributes.st_mode) else "file"
    modified = datetime.fromtimestamp(attributes.st_mtime, timezone.utc).strftime("%Y%m%d%H%M%S")
    return kind, (modified, str(attributes.st_size))

class Channel(socket.socket):
    def get_name(self):
        return "sftp-server"

ours, theirs = socket.socketpair()
server = subprocess.Popen(["root/usr/lib/openssh/sftp-server", "-d", "home"], stdin=theirs, stdout=theirs)
theirs.close()
ours = Channel(fileno=ours.detach())
sftp = paramiko.SFTPClient(ours)
latest = next(entry for entry in sftp.listdir_attr(".") if entry.filename == "latest.csv")
expect("OpenSSH: readdir", shown(latest), ("link", LINK))
expect("OpenSSH: stat", shown(sftp.stat("latest.csv")), ("file", FILE))
sftp.close()
ours.close()
server.wait(10)
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
