"""Places, reads and cancels an order with the generated client of the service at API_URL."""

import os
import time

from order_aggregator import AuthenticatedClient
from order_aggregator.api.orders import change_order_status, place_order, show_order
from order_aggregator.models import NewOrder, Order, OrderStatus, Problem, StatusChange

TIMEOUT_S = 30

client = AuthenticatedClient(os.environ["API_URL"], token=os.environ["API_KEY"], raise_on_unexpected_status=True)

placed = place_order.sync(client=client, body=NewOrder("SKU-1", 3), idempotency_key="python")
assert isinstance(placed, Order), placed
repeated = place_order.sync(client=client, body=NewOrder("SKU-1", 3), idempotency_key="python")
assert isinstance(repeated, Order) and repeated.id == placed.id, repeated

deadline = time.monotonic() + TIMEOUT_S
order = placed
while order.status == OrderStatus.PENDING and time.monotonic() < deadline:
    time.sleep(0.05)
    order = show_order.sync(placed.id, client=client)
    assert isinstance(order, Order), order
assert order.status == OrderStatus.CONFIRMED, order
assert order.reason is None, order
assert sum(allocation.quantity for allocation in order.allocations) == 3, order

cancelled = change_order_status.sync(order.id, client=client, body=StatusChange(OrderStatus.CANCELLED))
assert isinstance(cancelled, Order) and cancelled.status == OrderStatus.CANCELLED, cancelled

unknown = show_order.sync(order.id + 1_000_000, client=client)
assert isinstance(unknown, Problem) and unknown.type_ == "/problems/not-found", unknown
print(f"Python: order {order.id} was placed, confirmed and cancelled")
