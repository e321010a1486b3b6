// Places, reads and cancels an order with the generated types of the service at API_URL.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { paths } from "./schema.js";

const TIMEOUT_MS = 30_000;

const client = createClient<paths>({
  baseUrl: process.env.API_URL,
  headers: { Authorization: `Bearer ${process.env.API_KEY}` },
});

const place = async () => {
  const { data, error } = await client.POST("/api/v1/orders", {
    params: { header: { "Idempotency-Key": "typescript" } },
    body: { product_id: "SKU-1", quantity: 3 },
  });
  assert(data, error?.detail);
  return data;
};

const show = async (id: number) => {
  const { data, error } = await client.GET("/api/v1/orders/{id}", { params: { path: { id } } });
  assert(data, error?.detail);
  return data;
};

const placed = await place();
assert.equal((await place()).id, placed.id);

const deadline = Date.now() + TIMEOUT_MS;
let order = placed;
while (order.status === "PENDING" && Date.now() < deadline) {
  await sleep(50);
  order = await show(placed.id);
}
assert.equal(order.status, "CONFIRMED");
assert.equal(order.reason, null);
assert.equal(order.allocations.reduce((sum, allocation) => sum + allocation.quantity, 0), 3);

const cancelled = await client.PATCH("/api/v1/orders/{id}", {
  params: { path: { id: order.id } },
  body: { status: "CANCELLED" },
});
assert.equal(cancelled.data?.status, "CANCELLED", cancelled.error?.detail);

const unknown = await client.GET("/api/v1/orders/{id}", { params: { path: { id: order.id + 1_000_000 } } });
assert.equal(unknown.error?.type, "/problems/not-found");
console.log(`TypeScript: order ${order.id} was placed, confirmed and cancelled`);
