"""The payment service, which the shop asks. A card called `expired` fails, and says so inside the span."""

import logging

from flask import Flask, jsonify
from opentelemetry import metrics, trace

import serving

app = Flask("payment")
log = logging.getLogger("payment.gateway")
tracer = trace.get_tracer("payment")
meter = metrics.get_meter("payment")

charges = meter.create_histogram(
    "payment.charge.duration",
    unit="ms",
    explicit_bucket_boundaries_advisory=[1, 5, 10, 50, 100],
)


class CardExpired(Exception):
    """The bank refused the card."""


def queue_length(_options):
    """Watched by the SDK at each collection."""
    yield metrics.Observation(7, {"queue": "settlement"})


meter.create_observable_gauge("payment.queue.length", [queue_length], unit="{charge}")


@app.get("/charge/<card>")
def charge(card: str):
    """Charges a card."""
    link = trace.Link(trace.get_current_span().get_span_context(), {"why": "asked by"})
    with tracer.start_as_current_span("ask the bank", links=[link]):
        charges.record(12.5, {"card": card})
        if card == "expired":
            log.error("card refused by the bank: %s", "expired 01/24")
            raise CardExpired("card expired 01/24")
    log.warning("charged without a receipt")
    return jsonify(charged=True)


if __name__ == "__main__":
    serving.serve(app)
