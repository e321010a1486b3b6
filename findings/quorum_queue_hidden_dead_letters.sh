#!/usr/bin/env bash
# Messages that a quorum queue keeps until they are dead-lettered, and what the counters show of them. Needs root on Debian with
# a RabbitMQ of the distribution running (rabbitmqctl), and Python 3; installs pika 1.4.4 in a temporary folder. Observed on
# 2026-11-30 with RabbitMQ 3.10.8.
#
# Expected: with `x-dead-letter-strategy: at-least-once` a rejected message stays in its queue until the target queue confirms it,
#   so while the target does not exist the queue is not empty, and deleting it "if empty" is refused.
# Observed: the queue keeps the messages, but a client cannot see them: the passive declaration counts 0, queue.purge and a plain
#   queue.delete report that they removed 0, and the delete does remove the 3. queue.delete with if-empty is no safeguard,
#   since quorum queues refuse it with 540. On the broker `messages_ready` and `messages_unacknowledged` are 0 too; only
#   `messages`, which is the sum of both otherwise, becomes 3 at the next refresh of the statistics. (If the target is
#   declared in time the messages arrive there, up to three minutes later.)
#
# Why it matters: "remove the queue once it is empty" is the usual instruction when its arguments have to change. Followed by
# the count of a passive declaration or by `messages_ready`, it destroys the dead letters, which are the only copies of
# messages that were given up. Make sure first that the dead-letter queue exists and takes messages, then wait for more than
# three minutes.
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

def control(*arguments):
    return subprocess.run(["rabbitmqctl", "--quiet", *arguments], capture_output=True, text=True, check=True).stdout

def kept():
    query = (f'{{ok, {{_, O}}, _}} = ra:local_query({{list_to_atom("{vhost}_orders"), node()}}, '
             "fun rabbit_fifo:overview/1), maps:get(num_messages, O).")
    return int(control("eval", query))

arguments = {
    "x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dead",
    "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
channel.queue_declare("orders", durable=True, arguments=arguments)
for number in range(3):
    channel.basic_publish("", "orders", str(number), pika.BasicProperties(delivery_mode=2))
taken = 0
while taken < 3:
    method, _, _ = channel.basic_get("orders")
    if method:
        channel.basic_reject(method.delivery_tag, requeue=False)
        taken += 1
time.sleep(2)
expect("messages by a passive declaration", channel.queue_declare("orders", passive=True).method.message_count, 0)
columns = ["messages", "messages_ready", "messages_unacknowledged"]
for _ in range(30):
    listed = control("list_queues", "--no-table-headers", "-p", vhost, *columns).split()
    if listed[0] != "0":
        break
    time.sleep(1)
expect("/".join(columns), listed, ["3", "0", "0"])
expect("messages that queue.purge removed", channel.queue_purge("orders").method.message_count, 0)
expect("messages in the replicated state", kept(), 3)
second = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 5672, vhost))
try:
    second.channel().queue_delete("orders", if_empty=True)
    code = None
except (pika.exceptions.ConnectionClosedByBroker, pika.exceptions.ChannelClosedByBroker) as closed:
    code = closed.reply_code
expect("queue.delete with if-empty", code, 540)
expect("messages that queue.delete removed", channel.queue_delete("orders").method.message_count, 0)
channel.queue_declare("orders", durable=True, arguments=arguments)
expect("messages in the replicated state after declaring the queue again", kept(), 0)
connection.close()
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
