#!/usr/bin/env bash
# A stock report that is uploaded over the previous one by scp and by sftp, seen while the upload lasts. Needs Debian with Python 3
# and openssh-client 9; unpacks openssh-sftp-server of the distribution in a temporary folder (nothing is installed). No network
# and no login: both clients talk to the server program directly (option -D). Observed on 2026-11-30 with OpenSSH 9.2.
#
# Expected: an upload empties the file and then lets it grow, so a file that has its full size and does not grow is complete.
# Observed: `sftp put` does that. `scp`, which uses the same protocol since OpenSSH 9.0, does not empty the file: it writes over it
#   from the start and cuts it to its length at the end. Until then the file has the size of the *old* report, with the rows of
#   the new one at the front and those of the old one behind them. Where both reports have rows of one length, each row
#   is whole: of 40,000 products here each is listed once, the first ones with the new quantity and the others with the old one. The
#   modification time changes with each block that arrives; while the line is slow it keeps its value for a second and more.
#
# Why it matters: "the size has not changed" is the usual test of whether an upload is complete, and it is true at each moment of this
# one; times in SFTP have whole seconds. A report that was read in between is of two counts and has the time of the newer one, so a
# product at its end seems to be counted after sales that it does not include. Have the vendor upload with `sftp`, or under a
# temporary name that is renamed.
set -euo pipefail
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
for program in scp sftp; do command -v "$program" >/dev/null || { echo "needs openssh-client" >&2; exit 1; }; done
apt-cache show openssh-sftp-server >/dev/null 2>&1 || apt-get update -qq
apt-get -o APT::Sandbox::User=root -qq download openssh-sftp-server
dpkg-deb -x openssh-sftp-server_*.deb root
server=$folder/root/usr/lib/openssh/sftp-server
ssh -V
cat >look.py <<'PYTHON'
import os, subprocess, sys, time

tool, server = sys.argv[1:]
def report(products, quantity):
    return "sku,quantity\n" + "".join(f"P-{number:05d},{quantity}\n" for number in range(products))

def write(name, text):
    with open(name, "w") as file:
        file.write(text)

write("new.csv", report(39000, 3))
write("stock.csv", report(40000, 8))
old_size, new_size = os.path.getsize("stock.csv"), os.path.getsize("new.csv")
stock = os.path.abspath("stock.csv")
options = ["-q", "-l", "1500", "-D", server]  # 1,500 kilobits a second: two seconds
if tool == "scp":
    command = ["scp", *options, "new.csv", f"vendor:{stock}"]
else:
    write("batch", f"put new.csv {stock}\n")
    command = ["sftp", *options, "-b", "batch", "vendor"]
upload = subprocess.Popen(command, stdout=subprocess.DEVNULL)
sizes, mixed = set(), set()
while upload.poll() is None:
    with open("stock.csv") as file:
        text = file.read()
        size = os.fstat(file.fileno()).st_size
    if size != len(text):
        continue
    sizes.add(size)
    rows = [row.split(",") for row in text.splitlines()[1:]]
    quantities = [row[1] for row in rows if len(row) == 2]
    if len({row[0] for row in rows}) == 40000 and set(quantities) == {"3", "8"} and quantities == sorted(quantities):
        mixed.add(quantities.count("3"))
    time.sleep(0.02)
assert upload.wait() == 0
assert open("stock.csv").read() == report(39000, 3)
between = sorted(sizes - {old_size, new_size})
print(f"{tool}: {len(between)} sizes between the upload's start and end; reports of 40,000 products, some new and some old: "
      f"{bool(mixed)}")
expected = (False, True) if tool == "scp" else (True, False)
if (bool(between), bool(mixed)) != expected:
    sys.exit(f"changed: {tool}: sizes {sorted(sizes)}, new products in mixed reports {sorted(mixed)}")
PYTHON
for tool in scp sftp; do
  python3 look.py "$tool" "$server" & pid=$!
  wait "$pid"
  pid=
done
