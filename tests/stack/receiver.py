"""A webhook of the tests' own, which Alertmanager tells."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["DEMO_SECONDS", "Receiver"]

DEMO_SECONDS = 120
"""Within these a stack with the demonstration's windows tells what is wrong."""


class Receiver:
    """A webhook that keeps the alerts that Alertmanager sends, with their time, and texts as Slack would show them."""

    def __init__(self) -> None:
        self.alerts: list[tuple[float, dict[str, Any]]] = []
        self.texts: list[str] = []
        kept, texts = self.alerts, self.texts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                kept.extend((time.time(), alert) for alert in message.get("alerts", []))
                texts.extend(shown["text"] for shown in message.get("attachments", []))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")  # as Slack says it: anything else is a failure to Alertmanager

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def firing(self, name: str, **labels: str) -> list[tuple[float, dict[str, Any]]]:
        """Notifications of an alert, the first one first."""
        wanted = {"alertname": name, **labels}
        return [
            (when, alert)
            for when, alert in list(self.alerts)
            if alert["status"] == "firing" and wanted.items() <= alert["labels"].items()
        ]

    def close(self) -> None:
        self._server.shutdown()
