"""A served and observed service with the sink it sends to, and the questions that tests ask of both."""

from __future__ import annotations

import json
from typing import Any

from received import SERVER, Log, Span
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request

SETTINGS = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}


class Scene:
    """`ask` sends a request, `trace` waits for the spans it left behind."""

    def __init__(self, server: BentoServer, sink: Sink) -> None:
        self.server, self.sink = server, sink

    def ask(self, path: str, headers: dict[str, str] | None = None, method: str = "POST", **fields: Any) -> Answer:
        body = json.dumps(fields).encode() if method == "POST" else b""
        return self.send(Request(path, path, body, method, headers=headers or {}))

    def send(self, request: Request) -> Answer:
        with Client(self.server.port) as client:
            return client.send(request)

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace, the server spans first, once one of those has arrived (it is encoded with its
        stages)."""
        self.sink.wait(lambda: self.sink.spans(trace_id=trace_id, kind=SERVER), what=f"trace {trace_id}")
        return sorted(self.sink.spans(trace_id=trace_id), key=lambda span: (span.kind != SERVER, span.start_ns))

    def traced(self, path: str, **kwargs: Any) -> tuple[Answer, list[Span]]:
        answer = self.ask(path, **kwargs)
        return answer, self.trace(answer.trace_id)

    def log(self, body: str) -> Log:
        """The first log record with that text."""
        found: list[Log] = self.sink.wait(lambda: self.sink.logs(body=body), what=f"log record {body!r}")
        return found[0]

    def count(self, metric: str, **attributes: Any) -> int:
        """As `sink.count`, of all that has ended by now: of two exports to come, the second was made after it."""
        made = self._metric_exports() + 2
        self.sink.wait(lambda: self._metric_exports() >= made, what="metrics")
        return self.sink.count(metric, **attributes)

    def _metric_exports(self) -> int:
        return sum(export.signal == "metrics" for export in list(self.sink.exports))

    def nothing_in_flight(self) -> None:
        self.sink.wait(lambda: self.sink.value("http.server.active_requests") == 0, what="an idle server")

    def nothing_went_wrong(self) -> None:
        """No internal error, nothing dropped but odd inputs and predictions, no request in flight."""
        self.nothing_in_flight()
        assert self.sink.last("bento_observe.errors") == []
        dropped = [point.attributes for point in self.sink.last("bento_observe.dropped")]
        assert {one["signal"] for one in dropped if one["reason"] != "unreadable"} <= {"features"}
