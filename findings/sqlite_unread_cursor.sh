#!/usr/bin/env bash
# A cursor of Python's sqlite3 from which not every row was read, in WAL mode. Needs Python 3; uses its own modules only. Observed
# on 2026-11-30 with Python 3.11.7 and SQLite 3.40.1.
#
# Expected: in autocommit mode (isolation_level=None) execute() commits `UPDATE ... RETURNING`, and each SELECT sees the newest
#   data; `in_transaction` is true while a transaction is open; close() ends everything; a locked database is waited for.
# Observed: SQLite ends a statement, and with it the implicit transaction, when its last row was read or its cursor is freed:
#   1. `UPDATE ... RETURNING` for two rows and one fetchone(), or for one row and no fetch: the change is not committed and all
#      other writers get "database is locked", while `in_transaction` is False. A later UPDATE of the same connection, though
#      read to its end, is not committed either. close() raises nothing and releases nothing; the commit comes when the cursor
#      is garbage-collected. If the process ends first, both updates are lost. (One row and one fetchone() is committed.)
#   2. In the default mode commit() then raises "SQL statements in progress", and `with connection:` rolls an INSERT back.
#   3. After a SELECT and one fetchone(), every other SELECT of the connection shows the data of that moment, also after
#      commit(). Its next UPDATE fails with SQLITE_BUSY_SNAPSHOT at once, whatever the timeout is.
#
# Why it matters: `fetchone()` after `RETURNING` is how a claim is usually written. A claim that happens to match two rows stops all
# writers, a reader that looks at one row sells from an old stock, and no property of the connection shows it. Use fetchall(),
# or close the cursor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 - <<'PYTHON'
import pathlib, sqlite3, subprocess, sys, time

print("Python", sys.version.split()[0], "SQLite", sqlite3.sqlite_version)
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def connect(**options):
    return sqlite3.connect("stock.db", **options)

def fresh():
    for path in pathlib.Path().glob("stock.db*"):
        path.unlink()
    connection = connect(isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE stock (id TEXT PRIMARY KEY, quantity INT)")
    connection.execute("INSERT INTO stock VALUES ('A', 1), ('B', 1), ('C', 1)")
    connection.close()

def quantities(connection=None):
    return [quantity for quantity, in (connection or connect()).execute("SELECT quantity FROM stock ORDER BY id").fetchall()]

def other_writer():
    connection = connect(isolation_level=None, timeout=0.3)
    try:
        connection.execute("UPDATE stock SET quantity = 9 WHERE id = 'C'")
        return "ok"
    except sqlite3.OperationalError as error:
        return str(error)
    finally:
        connection.close()

take = "UPDATE stock SET quantity = 0 WHERE id IN ({}) RETURNING id"
LOCKED = "database is locked"
for what, ids, fetch, state in (
    ("two rows, one fetchone()", "'A', 'B'", "fetchone", (False, LOCKED, [1, 1, 1])),
    ("two rows, fetchall()", "'A', 'B'", "fetchall", (False, "ok", [0, 0, 9])),
    ("one row, one fetchone()", "'A'", "fetchone", (False, "ok", [0, 1, 9])),
    ("one row, no fetch", "'A'", None, (False, LOCKED, [1, 1, 1])),
):
    fresh()
    connection = connect(isolation_level=None)
    cursor = connection.execute(take.format(ids))
    if fetch:
        getattr(cursor, fetch)()
    expect(f"{what}: in_transaction, another writer, data", (connection.in_transaction, other_writer(), quantities()), state)
    cursor.close()

fresh()
connection = connect(isolation_level=None)
cursor = connection.execute(take.format("'A', 'B'"))
cursor.fetchone()
connection.execute("UPDATE stock SET quantity = 5 WHERE id = 'C'")
expect("a second update of the connection: another writer, data", (other_writer(), quantities()), (LOCKED, [1, 1, 1]))
connection.close()
expect("connection closed: another writer, data", (other_writer(), quantities()), (LOCKED, [1, 1, 1]))
del cursor
expect("cursor freed: data", quantities(), [0, 0, 5])

fresh()
subprocess.run([sys.executable, "-c", """
import os, sqlite3
connection = sqlite3.connect("stock.db", isolation_level=None)
cursor = connection.execute("UPDATE stock SET quantity = 0 WHERE id IN ('A', 'B') RETURNING id")
cursor.fetchone()
connection.execute("UPDATE stock SET quantity = 5 WHERE id = 'C'")
os._exit(0)
"""], check=True)
expect("process ended: data", quantities(), [1, 1, 1])

fresh()
connection = connect()
try:
    with connection:
        cursor = connection.execute("INSERT INTO stock VALUES ('D', 1) RETURNING id")
    seen = None
except sqlite3.OperationalError as error:
    seen = str(error)
expect("with connection: INSERT ... RETURNING", (seen, quantities()),
       ("cannot commit transaction - SQL statements in progress", [1, 1, 1]))

fresh()
connection = connect(isolation_level=None, timeout=5)
cursor = connection.execute("SELECT id FROM stock ORDER BY id")
cursor.fetchone()
expect("another writer during an unread SELECT", other_writer(), "ok")
connection.commit()
expect("data of the reader, of others", (quantities(connection), quantities()), ([1, 1, 1], [1, 1, 9]))
started = time.monotonic()
try:
    connection.execute("UPDATE stock SET quantity = 0 WHERE id = 'A'")
    seen = None
except sqlite3.OperationalError as error:
    seen = getattr(error, "sqlite_errorname", str(error))
expect("UPDATE of the reader, waited", (seen, time.monotonic() - started > 1), ("SQLITE_BUSY_SNAPSHOT", False))
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
