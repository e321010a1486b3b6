#!/usr/bin/env bash
# Row locks that remain on rows which a statement did not return or change. Needs Python 3 and PostgreSQL at 127.0.0.1:5432 with
# the user postgres (or PGUSER); installs psycopg 3.3.9 in a temporary folder. Observed on 2026-11-30 with PostgreSQL 15.20.
#
# Expected: `UPDATE 0` and an empty result lock nothing; SKIP LOCKED locks exactly the rows that it returns.
# Observed: at READ COMMITTED,
#   1. `UPDATE stock ... WHERE quantity >= 1` that waited for another transaction, then found the quantity 0 and changed no row,
#      holds the lock of that row until the end of its transaction. The same statement without the wait locks nothing. DELETE
#      and SELECT ... FOR UPDATE act alike. A rollback to a savepoint from before the statement releases the lock.
#   2. `SELECT ... FROM orders JOIN stock ... FOR UPDATE SKIP LOCKED` skips an order because its *stock* row is locked elsewhere,
#      and leaves the lock of the order that it skipped: a second claimant skips the order too, although no one has it.
#      With stock written first in FROM, the same rows are returned and the order stays free.
#
# Why it matters: the losers of a sale of the last unit keep the hottest row in turn, each until its commit, although each
# "did nothing"; and a claim that joins starves rows until the claimant's transaction ends. End the transaction (or the
# savepoint) after a lost race, and lock tables one after the other or name one with OF.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "psycopg[binary]==3.3.9"
SCHEMA="finding_$$" PGUSER="${PGUSER:-postgres}" "$folder/venv/bin/python" - <<'PYTHON'
import os, sys, threading, time
import psycopg

schema = os.environ["SCHEMA"]
address = f"host=127.0.0.1 port=5432 dbname=postgres options='-c search_path={schema}'"
def connect(**options):
    return psycopg.connect(address, **options)

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

admin = connect(autocommit=True)
print("PostgreSQL", admin.info.parameter_status("server_version"))

def is_locked(table, key):
    with connect() as other:
        try:
            other.execute(f"select from {table} where id = %s for no key update nowait", (key,))
            return False
        except psycopg.errors.LockNotAvailable:
            return True

def lose(statement, before=None):
    """Runs `statement` while the row is being changed; returns the rows affected and the open transaction."""
    with connect() as winner:
        winner.execute("update stock set quantity = 0 where id = 'A'")
        loser, affected = connect(), []
        if before:
            loser.execute(before)
        thread = threading.Thread(target=lambda: affected.append(loser.execute(statement).rowcount))
        thread.start()
        while not admin.execute("select 1 from pg_locks where pid = %s and not granted", (loser.info.backend_pid,)).fetchone():
            time.sleep(0.05)
    thread.join()
    return affected[0], loser

def reset():
    admin.execute("update stock set quantity = 1")

try:
    admin.execute(f"create schema {schema}")
    admin.execute("create table stock (id text primary key, quantity int check (quantity >= 0))")
    admin.execute("create table orders (id text primary key, stock_id text references stock)")
    admin.execute("insert into stock values ('A', 1), ('B', 1); insert into orders values ('1', 'A'), ('2', 'B')")

    take = "update stock set quantity = quantity - 1 where id = 'A' and quantity >= 1"
    with connect() as alone:
        alone.execute("update stock set quantity = 0 where id = 'A'")
        alone.commit()
        rows = alone.execute(take).rowcount
        expect("UPDATE without a wait: rows, locked", (rows, is_locked("stock", "A")), (0, False))
    for what, statement in (
        ("UPDATE", take),
        ("DELETE", "delete from stock where id = 'A' and quantity >= 1"),
        ("SELECT FOR UPDATE", "select from stock where id = 'A' and quantity >= 1 for update"),
    ):
        reset()
        rows, loser = lose(statement)
        expect(f"{what} that lost a race: rows, locked", (rows, is_locked("stock", "A")), (0, True))
        loser.close()
    reset()
    rows, loser = lose(take, before="savepoint start")
    loser.execute("rollback to start")
    expect("UPDATE that lost a race, rolled back to a savepoint: rows, locked", (rows, is_locked("stock", "A")), (0, False))
    loser.close()

    reset()
    for tables, locked in (("orders o join stock s on s.id = o.stock_id", True),
                           ("stock s join orders o on s.id = o.stock_id", False)):
        with connect() as seller, connect() as claimant:
            seller.execute("select from stock where id = 'A' for update")
            claim = f"select o.id from {tables} order by o.id for update skip locked"
            claimed = [order for order, in claimant.execute(claim)]
            seller.rollback()
            expect(f"{tables}: claimed, order 1 locked", (claimed, is_locked("orders", "1")), (["2"], locked))
finally:
    admin.execute(f"drop schema if exists {schema} cascade")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
