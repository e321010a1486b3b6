#!/usr/bin/env bash
# At which end of a quorum queue unacknowledged messages reappear, and which ones an overflow drops then. Needs root on Debian
# with a RabbitMQ of the distribution running (rabbitmqctl), and Python 3; installs pika 1.4.4 in a temporary folder. Observed
# on 2026-11-30 with RabbitMQ 3.10.8.
#
# Expected: a requeued message returns to its original position, as in a classic queue; when the queue exceeds its length limit,
#   `drop-head` drops the oldest messages.
# Observed: in a quorum queue without a delivery limit, the same three deliveries return to the tail, behind messages that were
#   published later, if the consumer sends basic.nack, and to the head if it closes the channel instead. With a delivery limit
#   both return to the head. Nacks of single messages reappear in the order of the nacks, not of publication.
#   With `x-max-length` 3, three messages unacknowledged and three published since, a nack drops the older three from a classic
#   queue, and from a quorum queue without a delivery limit the *newer* three: opposite halves are lost.
#
# Why it matters: an order queue whose consumer treats "nack" and "close" as equivalent reorders orders of one product depending
# on how the consumer ended, and setting or removing a delivery limit changes the order without any other sign. Decide by
# order id within the database, never by the order of delivery, and set no length limit with `drop-head`.
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
channel = connection.channel()
channel.confirm_delivery()
kinds = {
    "classic": {"x-queue-type": "classic"},
    "quorum": {"x-queue-type": "quorum"},
    "quorum, delivery limit": {"x-queue-type": "quorum", "x-delivery-limit": 5},
}
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def publish(queue, bodies):
    for body in bodies:
        channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))

def take(reader, queue, count):
    tags = []
    deadline = time.monotonic() + 10
    while len(tags) < count and time.monotonic() < deadline:
        method, _, _ = reader.basic_get(queue)
        if method:
            tags.append(method.delivery_tag)
    return tags

def drain(queue):
    reader, bodies = connection.channel(), []
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        method, _, body = reader.basic_get(queue, auto_ack=True)
        if method:
            bodies.append(body.decode())
            deadline = time.monotonic() + 1
    reader.close()
    return " ".join(bodies)

def close(reader, _tags):
    reader.close()

def nack_all(reader, tags):
    reader.basic_nack(tags[-1], multiple=True, requeue=True)

def nack_mixed(reader, tags):
    for index in (0, 2, 1):
        reader.basic_nack(tags[index], requeue=True)

head, tail, mixed_head, mixed_tail = "1 2 3 4 5", "4 5 1 2 3", "1 3 2 4 5", "4 5 1 3 2"
expected = {
    ("classic", close): head, ("classic", nack_all): head, ("classic", nack_mixed): head,
    ("quorum", close): head, ("quorum", nack_all): tail, ("quorum", nack_mixed): mixed_tail,
    ("quorum, delivery limit", close): head, ("quorum, delivery limit", nack_all): head,
    ("quorum, delivery limit", nack_mixed): mixed_head,
}
for (kind, give_back), order in expected.items():
    queue = f"{kind} {give_back.__name__}"
    channel.queue_declare(queue, durable=True, arguments=kinds[kind])
    publish(queue, "12345")
    reader = connection.channel()
    give_back(reader, take(reader, queue, 3))
    time.sleep(0.5)
    expect(f"{kind}, 1 to 3 given back by {give_back.__name__}", drain(queue), order)

for kind, left in (("classic", "4 5 6"), ("quorum", "1 2 3"), ("quorum, delivery limit", "4 5 6")):
    queue = f"{kind} overflow"
    arguments = {**kinds[kind], "x-max-length": 3, "x-overflow": "drop-head"}
    channel.queue_declare(queue, durable=True, arguments=arguments)
    publish(queue, "123")
    reader = connection.channel()
    tags = take(reader, queue, 3)
    publish(queue, "456")
    nack_all(reader, tags)
    time.sleep(0.5)
    expect(f"{kind}, limit of 3, 1 to 3 given back when 4 to 6 were published", drain(queue), left)
connection.close()
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
