#!/usr/bin/env bash
# What happens to a message whose headers are larger than a frame of the connection. Needs root on Debian with a RabbitMQ of the
# distribution running (rabbitmqctl), and Python 3; installs pika 1.4.4 in a temporary folder. Observed on 2026-12-01 with
# RabbitMQ 3.10.8.
#
# Expected: headers are split over several frames, as a body is; or the client refuses them; or only the channel fails.
# Observed: the headers of a message are one frame and cannot be split. The client sends them anyway. The broker closes the
#   whole connection (501, FRAME_ERROR), with every other channel of it. The limit is the negotiated frame size: a table of 1,024
#   entries of 80 bytes is accepted with the default of 131,072 bytes, and closes the connection if either side set 8,192. A
#   body of the same size is accepted by both.
#
# Why it matters: headers that grow with a batch, such as a trace for each order of a message, work in every test with the defaults.
# Behind a setting of frame_max that an operator chose to save memory, the same batch closes the connection of the publisher each time it is
# retried, and no order is published. Limit headers to the smallest frame of the protocol, 4,096 bytes.
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
import os, sys
import pika

def publish(frame_max, entries, body):
    parameters = pika.ConnectionParameters("127.0.0.1", 5672, os.environ["VHOST"], frame_max=frame_max)
    connection = pika.BlockingConnection(parameters)
    other = connection.channel()
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    table = {str(10**18 + number): "0" * 55 for number in range(entries)}
    properties = pika.BasicProperties(headers={"traceparents": table})
    try:
        channel.basic_publish("", queue, body, properties)
        outcome = "confirmed"
    except pika.exceptions.AMQPError as error:
        outcome = f"{type(error).__name__} {getattr(error, 'reply_code', '')}".strip()
    state = "open" if other.is_open else "closed"
    if connection.is_open:
        connection.close()
    return f"{outcome}, the other channel is {state}"

changed = []
for frame_max, entries, length, expected in [
    (131_072, 1_024, 1, "confirmed, the other channel is open"),
    (8_192, 1_024, 1, "ConnectionClosedByBroker 501, the other channel is closed"),
    (8_192, 1, 82_000, "confirmed, the other channel is open"),
    (4_096, 32, 1, "confirmed, the other channel is open"),
]:
    seen = publish(frame_max, entries, b"x" * length)
    print(f"frames of {frame_max}, {entries} headers, body of {length}: {seen}")
    if seen != expected:
        changed.append(f"{seen}, not {expected}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
echo "as observed"
