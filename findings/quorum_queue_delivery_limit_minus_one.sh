#!/usr/bin/env bash
# `x-delivery-limit: -1` on a broker that is older than the setting. Needs root on Debian with a RabbitMQ of the distribution
# running (rabbitmqctl), and Python 3; installs pika 1.4.4 in a temporary folder. Observed on 2026-11-30 with RabbitMQ 3.10.8.
#
# Expected: a limit below zero means "no limit", as it does since RabbitMQ 4.0, which has a limit of 20 by default; an older
#   broker that does not know it refuses the declaration, as it refuses other arguments that are out of range.
# Observed: the older broker accepts the argument and means it literally: the first requeue, or the first channel closed with the
#   message unacknowledged, exceeds the limit, and the message is gone (or dead-lettered). -1 acts like 0. Without the argument
#   the message is delivered again each time. The same -1 in a *policy* is refused as "not a valid delivery limit", and a
#   length limit of -1 in the declaration is refused with 406: only this argument, declared by a client, goes through.
#
# Why it matters: a queue from which a tool looks at messages and gives them back, such as a queue of dead letters, must not have a
# limit: from RabbitMQ 4.0 on, 20 looks delete its messages. The remedy for 4.x deletes them at the first look on a 3.10 broker,
# silently. Set it depending on the version of the broker, or use another way to keep messages that are only looked at.
set -euo pipefail
folder=$(mktemp -d)
vhost="finding-$$"
trap 'rabbitmqctl --quiet delete_vhost "$vhost" >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pika==1.4.4
rabbitmqctl --quiet add_vhost "$vhost"
rabbitmqctl --quiet set_permissions -p "$vhost" guest '.*' '.*' '.*'
rabbitmqctl --quiet version
VHOST="$vhost" "$folder/venv/bin/python" - <<'PYTHON'
import os, subprocess, sys, time
import pika

vhost = os.environ["VHOST"]
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 5672, vhost))
channel = connection.channel()
channel.confirm_delivery()
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def nack(reader, tag):
    reader.basic_nack(tag, requeue=True)

def close(_reader, _tag):
    """The channel is closed below in any case."""

def declared(name, **arguments):
    other = connection.channel()
    try:
        other.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", **arguments})
        other.close()
        return "accepted"
    except pika.exceptions.ChannelClosedByBroker as closed:
        return closed.reply_code

for limit, deliveries in ((-1, 1), (0, 1), (1, 2), (None, 4)):
    for give_back in (nack, close):
        queue = f"limit {limit} {give_back.__name__}"
        arguments = {} if limit is None else {"x-delivery-limit": limit}
        expect(f"{queue}: declaration", declared(queue, **arguments), "accepted")
        channel.basic_publish("", queue, "order", pika.BasicProperties(delivery_mode=2))
        seen = 0
        for _ in range(4):
            reader, method = connection.channel(), None
            deadline = time.monotonic() + 1
            while method is None and time.monotonic() < deadline:
                method, _, _ = reader.basic_get(queue)
            if method is None:
                break
            seen += 1
            give_back(reader, method.delivery_tag)
            reader.close()
        expect(f"{queue}: deliveries in four tries", seen, deliveries)

policy = subprocess.run(["rabbitmqctl", "--quiet", "set_policy", "-p", vhost, "limit", "^q$", '{"delivery-limit": -1}'],
                        capture_output=True, text=True)
expect("policy with -1 refused", "not a valid delivery limit" in policy.stderr, True)
expect("declaration with a length limit of -1", declared("length", **{"x-max-length": -1}), 406)
connection.close()
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
