"""An OTLP gRPC endpoint in a process of its own: counts what arrives, answers, and forgets it.

One port for each sender, so that what each of them sent can be told apart: a sender that is broken must not pass for
one that is cheap. The process writes its ports as one JSON line; for each line it reads it writes the counts, and it
ends with its input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Sink"]


class Sink:
    """Runs that process; `ports` are those of the senders."""

    def __init__(self, senders: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(senders)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self.ports: list[int] = self._read()

    def counts(self) -> list[dict[str, int]]:
        """For each sender: the number of `spans`, `records` (of logs), `points` (of metrics) and `bytes` so far.

        `values` is how many values its feature histograms hold.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: list[dict[str, int]] = self._read()
        return counts

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the OTLP sink has stopped")
        return json.loads(line)

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


class _Counter:
    """Counts what one sender sends."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._values: dict[str, int] = {}

    def counts(self) -> dict[str, int]:
        return {**self._counts, "values": sum(self._values.values())}

    def traces(self, body: bytes, context: Any) -> bytes:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self._counts["spans"] += sum(len(scope.spans) for scope in resource.scope_spans)
        return self._accepted(body)

    def logs(self, body: bytes, context: Any) -> bytes:
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            self._counts["records"] += sum(len(scope.log_records) for scope in resource.scope_logs)
        return self._accepted(body)

    def metrics(self, body: bytes, context: Any) -> bytes:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            sender = str(resource.resource.attributes)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._metric(sender, metric)
        return self._accepted(body)

    def _metric(self, sender: str, metric: Any) -> None:
        points = getattr(metric, metric.WhichOneof("data")).data_points
        self._counts["points"] += len(points)
        if metric.name == "ml.feature.value":
            for point in points:  # cumulative: the latest holds all
                self._values[sender + str(point.attributes)] = point.count

    def _accepted(self, body: bytes) -> bytes:
        self._counts["bytes"] += len(body)
        return b""  # an empty response: nothing was rejected


def _serve(counter: _Counter) -> tuple[grpc.Server, int]:
    # One thread: counting needs no lock.
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_receive_message_length", -1)])
    for service, export in (
        ("trace.v1.TraceService", counter.traces),
        ("metrics.v1.MetricsService", counter.metrics),
        ("logs.v1.LogsService", counter.logs),
    ):
        handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
        name = f"opentelemetry.proto.collector.{service}"
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _main() -> None:
    counters = [_Counter() for _ in range(int(sys.argv[1]))]
    served = [_serve(counter) for counter in counters]
    print(json.dumps([port for _, port in served]), flush=True)
    for _ in sys.stdin:
        print(json.dumps([counter.counts() for counter in counters]), flush=True)
    for server, _ in served:
        server.stop(None)


if __name__ == "__main__":
    _main()
