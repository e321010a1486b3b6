#!/usr/bin/env bash
# When a full quorum queue with `reject-publish` rejects, and when it accepts again. Needs root on Debian with a RabbitMQ of the
# distribution running (rabbitmqctl), and Python 3; installs pika 1.4.4 in a temporary folder. Observed on 2026-11-30 with
# RabbitMQ 3.10.8.
#
# Expected: a queue with `x-max-length` N holds N messages; the next publish is rejected, and each message that is consumed
#   makes room for one publish, as in a classic queue.
# Observed: a quorum queue takes N + 1 messages, even from a publisher that waits for each confirm. From then on it rejects
#   until four fifths of N are left: after 101 messages at N = 100, 21 have to be consumed before one publish is accepted.
#   A mandatory publish is only negatively acknowledged; nothing is returned, so no reason and no queue are named.
#
# Why it matters: `x-dead-letter-strategy: at-least-once` requires `reject-publish`, so an order queue has it. If an operator
# adds a length limit, an outbox relay sees rejections for a queue that is a tenth below its limit, and an alert on "length
# above the limit" fires although the queue works as designed. Back off by time, not by the length of the queue.
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
import os, sys, time
import pika

connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 5672, os.environ["VHOST"]))
publisher, reader = connection.channel(), connection.channel()
publisher.confirm_delivery()
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def outcome(queue):
    try:
        publisher.basic_publish("", queue, "order", pika.BasicProperties(delivery_mode=2), mandatory=True)
        return "accepted"
    except pika.exceptions.NackError:
        return "rejected"
    except pika.exceptions.UnroutableError:
        return "returned"

def ready(queue):
    return publisher.queue_declare(queue, passive=True).method.message_count

for kind, limit, most, resumed in (("classic", 100, 100, 99), ("quorum", 100, 101, 80), ("quorum", 50, 51, 40)):
    queue = f"{kind} {limit}"
    publisher.queue_declare(queue, durable=True, arguments={
        "x-queue-type": kind, "x-max-length": limit, "x-overflow": "reject-publish"})
    outcomes = [outcome(queue) for _ in range(limit + 10)]
    expect(f"{queue}: outcomes", sorted(set(outcomes)), ["accepted", "rejected"])
    expect(f"{queue}: accepted at first", outcomes.count("accepted"), most)
    expect(f"{queue}: messages ready", ready(queue), most)
    left = most
    while left > 0:
        method, _, _ = reader.basic_get(queue, auto_ack=True)
        if not method:
            break
        left -= 1
        time.sleep(0.03)
        if outcome(queue) == "accepted":
            break
    expect(f"{queue}: messages left when the next publish was accepted", left, resumed)
connection.close()
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
