"""Serves a Flask application until SIGTERM, and ends the way that lets the SDK send the rest."""

import logging
import os
import signal
import sys
import threading

from werkzeug.serving import make_server

logging.basicConfig(level=logging.INFO)


def serve(app) -> None:
    """Listens at $LISTEN, else on a free port; prints the port; returns after SIGTERM."""
    host, port = os.environ.get("LISTEN", "127.0.0.1:0").rsplit(":", 1)
    server = make_server(host, int(port), app, threaded=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    stop.wait()
    server.shutdown()
    sys.exit(0)
