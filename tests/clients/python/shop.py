"""The shop: a Flask service without a line of export code. `opentelemetry-instrument` adds spans and logs.

It asks the payment service, whose address is the first argument, and tells its own port on standard output.
"""

import logging
import sys

import requests
from flask import Flask, jsonify
from opentelemetry import metrics, trace

import serving

app = Flask("shop")
log = logging.getLogger("shop.cart")
tracer = trace.get_tracer("shop", "1.4.2", attributes={"team": "web"})
meter = metrics.get_meter("shop", "1.4.2")

orders = meter.create_counter("shop.orders", unit="{order}", description="Orders placed")
carts = meter.create_up_down_counter("shop.carts.open", unit="{cart}")
amount = meter.create_histogram("shop.order.amount", unit="EUR", description="Worth of an order")
stock = meter.create_gauge("shop.stock", unit="{item}")


@app.get("/order/<card>")
def order(card: str):
    """Places an order; the card `expired` makes the payment fail."""
    carts.add(1)
    with tracer.start_as_current_span("price the cart") as span:
        # Every kind of attribute value that the API has.
        span.set_attributes({
            "cart.items": 3,
            "cart.total": 59.97,
            "cart.gift": False,
            "cart.skus": ["A-1", "B-2", "C-3"],
            "cart.weights": [0.5, 1.25],
            "cart.title": "Bücher & Söhne <b>",
        })
        span.add_event("discount applied", {"discount.percent": 10})
        amount.record(59.97, {"currency": "EUR"})
    stock.set(41, {"sku": "A-1"})
    log.info("order for %s cards placed", card, extra={"cart.items": 3})
    answer = requests.get(f"{sys.argv[1]}/charge/{card}", timeout=10)
    answer.raise_for_status()
    orders.add(1, {"card": card})
    carts.add(-1)
    return jsonify(answer.json())


if __name__ == "__main__":
    serving.serve(app)
