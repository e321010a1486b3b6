#!/usr/bin/env bash
# Rehearses the backups of docs/operate/backup.md during load, on a PostgreSQL server and a virtual host of its own: every order that
# was accepted before the backup must be in the restored store and settled once, and the audit must be clean.
#
#     deploy/backup/rehearse.sh DIR_OF_THE_PROGRAMS
#
# Requires PostgreSQL's server programs, rabbitmqctl for a running RabbitMQ on port 5672, sqlite3 and curl. As root, PostgreSQL runs
# as the user postgres.
set -euo pipefail
programs=$(cd "${1:?directory of the programs}" && pwd)
pg_bin=${PG_BIN:-$(dirname "$(find /usr/lib/postgresql -name initdb | sort -V | tail -1)")}
load_s=${LOAD_S:-15}
work=$(mktemp -d)
chmod 755 "$work"
mkdir "$work/wal" "$work/run"
export DB_HOST=127.0.0.1 DB_PORT=25432 DB_USER=postgres DB_PASSWORD='' DB_NAME=shop PORT=23000 WORKER_PORT=23001
export RABBITMQ_URL=amqp://guest:guest@127.0.0.1:5672/rehearsal PGHOST=127.0.0.1 PGPORT=25432 PGUSER=postgres
# The shipped default of pending_timeout is 60 s.
export AGGREGATOR__WORKER__PENDING_TIMEOUT=5s AGGREGATOR__WORKER__SWEEP_INTERVAL=2s RUST_LOG=warn
printf 'vendors = []\n' >"$work/shop.toml"
postgres=() pids=() loads=()
if [[ $EUID == 0 ]]; then
    postgres=(runuser -u postgres --)
    chown postgres "$work" "$work/wal" "$work/run"
fi

fail() { echo "FAILED: $*" >&2; exit 1; }

cleanup() {
    kill -9 "${pids[@]}" "${loads[@]}" 2>/dev/null || true
    for data in "$work"/server "$work"/recovered; do
        [[ -f $data/postmaster.pid ]] && "${postgres[@]}" "$pg_bin/pg_ctl" --silent --pgdata "$data" --mode immediate stop
    done
    rabbitmqctl --quiet delete_vhost rehearsal 2>/dev/null || true
    [[ -n ${KEEP:-} ]] && echo "files are in $work" || rm -rf "$work"
}
trap cleanup EXIT

start_postgres() { # data directory
    "${postgres[@]}" "$pg_bin/pg_ctl" --silent --pgdata "$1" --log "$work/run/postgres.log" --wait start
}

query() { psql --no-psqlrc --tuples-only --no-align --dbname "$DB_NAME" --command "$1"; }

wait_ready() { # port
    for _ in $(seq 300); do
        curl -fs -o /dev/null "localhost:$1/readyz" && return
        sleep 0.2
    done
    fail "port $1 is not ready"
}

start_programs() {
    "$programs/order-aggregator-api" --config "$work/shop.toml" 2>>"$work/run/api.log" & pids+=($!)
    "$programs/order-aggregator-worker" --config "$work/shop.toml" 2>>"$work/run/worker.log" & pids+=($!)
    wait_ready "$PORT"
    wait_ready "$WORKER_PORT"
}

stop_programs() { # as in a crash
    kill -9 "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null || true
    pids=()
}

# Places orders until it is stopped, and records the time and the id of each that was accepted with 202.
load() { # file
    local n=0 reply
    while true; do
        n=$((n + 1))
        reply=$(curl -s -m 5 -w ' %{http_code}' "localhost:$PORT/api/v1/orders" -H 'content-type: application/json' \
            -d "{\"product_id\": \"SKU-$((n % 100 + 1))\", \"quantity\": 1}") || continue
        if [[ $reply =~ \"id\":([0-9]+).*\ 202$ ]]; then
            echo "$EPOCHREALTIME ${BASH_REMATCH[1]}" >>"$1"
        fi
    done
}

start_load() {
    : >"$work/accepted"
    for _ in 1 2 3; do load "$work/accepted" & loads+=($!); done
}

stop_load() {
    kill "${loads[@]}"
    wait "${loads[@]}" 2>/dev/null || true
    loads=()
}

# Checks the restored store: name, time, number of orders that were PENDING in it, and a command that runs one SQL statement.
check() {
    local name=$1 until=$2 pending=$3 sql=$4 metrics=$5 data=${6:-} ids missing left=1 settled
    for _ in $(seq 150); do
        left=$($sql "SELECT count(*) FROM orders WHERE status = 'PENDING'")
        [[ $left == 0 ]] && break
        sleep 0.2
    done
    [[ $left == 0 ]] || fail "$name: $left orders stay PENDING"
    ids=$(awk -v until="$until" '$1 < until { print $2 }' "$work/accepted" | paste -sd,)
    count=$(tr ',' '\n' <<<"$ids" | wc -l)
    missing=$((count - $($sql "SELECT count(*) FROM orders WHERE id IN ($ids) AND status IN ('CONFIRMED', 'REJECTED')")))
    [[ $missing == 0 ]] || fail "$name: $missing of $count orders are missing"
    settled=$(curl -s "$metrics" | awk '/^aggregator_orders_settled_total/ { sum += $2 } END { print sum + 0 }')
    [[ $settled == "$pending" ]] || fail "$name: $settled orders were settled, expected $pending"
    # shellcheck disable=SC2086
    "$programs/order-aggregator-admin" audit --config "$work/shop.toml" $data >"$work/run/audit.log" || fail "$name: audit"
    echo "$name: $count orders accepted before it, 0 missing; $pending were PENDING and settled once; audit clean"
}

rabbitmqctl --quiet add_vhost rehearsal
rabbitmqctl --quiet set_permissions -p rehearsal guest '.*' '.*' '.*'
"${postgres[@]}" "$pg_bin/initdb" --pgdata "$work/server" --username postgres --auth trust --no-sync >/dev/null
"${postgres[@]}" tee -a "$work/server/postgresql.conf" >/dev/null <<CONF
port = $PGPORT
unix_socket_directories = ''
max_connections = 60
archive_mode = on
archive_command = 'test ! -f $work/wal/%f && cp %p $work/wal/%f'
CONF
start_postgres "$work/server"
"$programs/order-aggregator-admin" migrate --config "$work/shop.toml" >/dev/null
"$programs/order-aggregator-admin" seed --products 100 --config "$work/shop.toml" >/dev/null
start_programs

# pg_dump: contains what was committed when it began. Settlement is stopped by a lock meanwhile, so that orders are PENDING in the
# dump, and the broker keeps newer messages.
start_load
sleep "$load_s"
psql --no-psqlrc --quiet --dbname shop --command 'BEGIN; LOCK TABLE stock IN EXCLUSIVE MODE; SELECT pg_sleep(600)' >/dev/null 2>&1 & lock=$!
sleep 2
dump_began=$EPOCHREALTIME
pg_dump --format custom --file "$work/shop.dump" shop
sleep "$load_s"
stop_load
stop_programs
kill "$lock"
query "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LOCK TABLE%' AND pid <> pg_backend_pid()" >/dev/null
sleep 1
newer=$(rabbitmqctl --quiet list_queues -p rehearsal messages | awk '{ sum += $1 } END { print sum + 0 }')
createdb restored
pg_restore --dbname restored --exit-on-error "$work/shop.dump"
export DB_NAME=restored
pending=$(query "SELECT count(*) FROM orders WHERE status = 'PENDING'")
start_programs
check "pg_dump with $newer newer messages in the broker" "$dump_began" "$pending" query "localhost:$WORKER_PORT/metrics"

# Base backup and archived WAL: contains everything up to the last archived segment.
start_load
sleep 2
"${postgres[@]}" pg_basebackup --host "$PGHOST" --port "$PGPORT" --username postgres --pgdata "$work/base" --checkpoint fast
sleep "$load_s"
switched=$EPOCHREALTIME
query 'SELECT pg_switch_wal()' >/dev/null
for _ in $(seq 50); do
    [[ $(query "SELECT last_archived_time > to_timestamp($switched) FROM pg_stat_archiver") == t ]] && break
    sleep 0.2
done
sleep 2
stop_load
stop_programs
"${postgres[@]}" "$pg_bin/pg_ctl" --silent --pgdata "$work/server" --mode immediate stop
"${postgres[@]}" cp -a "$work/base" "$work/recovered"
echo "restore_command = 'cp $work/wal/%f %p'" | "${postgres[@]}" tee -a "$work/recovered/postgresql.conf" >/dev/null
"${postgres[@]}" touch "$work/recovered/recovery.signal"
start_postgres "$work/recovered"
for _ in $(seq 300); do
    [[ $(query 'SELECT pg_is_in_recovery()') == f ]] && break
    sleep 0.2
done
pending=$(query "SELECT count(*) FROM orders WHERE status = 'PENDING'")
start_programs
check "base backup and WAL" "$switched" "$pending" query "localhost:$WORKER_PORT/metrics"
stop_programs

# The data file: VACUUM INTO contains what was committed when it began.
query_file() { sqlite3 -readonly "$work/restored.db" "$1"; }
"$programs/order-aggregator-admin" seed --products 100 --data "$work/shop.db" >/dev/null
embedded() { "$programs/order-aggregator" --config "$work/shop.toml" --data "$1" >/dev/null 2>>"$work/run/embedded.log" & pids+=($!); wait_ready "$PORT"; }
embedded "$work/shop.db"
start_load
sleep "$load_s"
backup_began=$EPOCHREALTIME
sqlite3 "$work/shop.db" "VACUUM INTO '$work/restored.db'"
sleep 2
stop_load
stop_programs
[[ $(query_file 'PRAGMA integrity_check') == ok ]] || fail 'data file: integrity_check'
pending=$(query_file "SELECT count(*) FROM orders WHERE status = 'PENDING'")
embedded "$work/restored.db"
check "data file" "$backup_began" "$pending" query_file "localhost:$PORT/metrics" "--data $work/restored.db"
