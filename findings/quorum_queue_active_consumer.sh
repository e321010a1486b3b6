#!/usr/bin/env bash
# A quorum queue with a single active consumer, and what an AMQP client can learn about it. Needs root on Debian with a
# RabbitMQ of the distribution running (rabbitmqctl), and Python 3; installs pika 1.3.2 in a temporary folder.
#
# Expected, and the script fails if it is otherwise:
#   1. basic.get is refused with 405 RESOURCE_LOCKED, though the queue has messages and no consumer.
#   2. A passive declaration does not count consumers that wait: it says 1 with three subscribed.
#   3. basic.cancel with unacknowledged deliveries returns nothing: the next consumer becomes active, the old deliveries can
#      still be acknowledged on the channel, and no delivery count rises.
set -euo pipefail
folder=$(mktemp -d)
vhost="finding-$$"
trap 'rabbitmqctl --quiet delete_vhost "$vhost" >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pika==1.3.2
rabbitmqctl --quiet add_vhost "$vhost"
rabbitmqctl --quiet set_permissions -p "$vhost" guest '.*' '.*' '.*'
rabbitmqctl --quiet version
VHOST="$vhost" "$folder/venv/bin/python" - <<'PYTHON'
import os, sys, time
import pika

def connect():
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 5672, os.environ["VHOST"]))

changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

one, two, three = connect(), connect(), connect()
channel = one.channel()
channel.queue_declare("q", durable=True, arguments={
    "x-queue-type": "quorum", "x-single-active-consumer": True, "x-delivery-limit": 2})
channel.confirm_delivery()
for number in range(3):
    channel.basic_publish("", "q", str(number), pika.BasicProperties(delivery_mode=2))

poller = two.channel()
try:
    poller.basic_get("q")
    code = None
except pika.exceptions.ChannelClosedByBroker as closed:
    code = closed.reply_code
expect("basic.get on the queue", code, 405)

first, second, third = one.channel(), two.channel(), three.channel()
held, taken = [], []
tag = first.basic_consume("q", lambda _c, method, _p, body: held.append((method, body)))
one.process_data_events(1)
second.basic_consume("q", lambda _c, method, properties, body: taken.append((method, properties, body)))
two.process_data_events(1)
third.basic_consume("q", lambda *_: None)
three.process_data_events(1)
counted = channel.queue_declare("q", passive=True).method.consumer_count
expect("consumers by a passive declaration, with three subscribed", counted, 1)

first.basic_cancel(tag)
channel.basic_publish("", "q", "new", pika.BasicProperties(delivery_mode=2))
two.process_data_events(2)
expect("bodies at the next consumer after the cancel", [body for _, _, body in taken], [b"new"])
headers = (taken[0][1].headers or {}) if taken else {}
expect("delivery count of the new message", headers.get("x-delivery-count", 0), 0)
for method, _ in held:
    first.basic_ack(method.delivery_tag)
for method, _, _ in taken:
    second.basic_ack(method.delivery_tag)
one.process_data_events(1)
two.process_data_events(1)
time.sleep(1)
for connection in (three, two):
    connection.close()
left = channel.queue_declare("q", passive=True).method.message_count
expect("messages left after the old deliveries were acknowledged", left, 0)
one.close()
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
