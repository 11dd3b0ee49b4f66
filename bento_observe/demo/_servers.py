"""The real servers as the demonstration's backend: read back from Jaeger, Prometheus and Elasticsearch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

from bento_observe import semconv
from bento_observe.demo import _jaeger
from bento_observe.demo._buckets import buckets
from bento_observe.demo._checks import SERVICE_LOGGER, Counts
from bento_observe.demo._errors import DemoError
from bento_observe.demo._example import SERVICE
from bento_observe.demo._paths import program
from bento_observe.dev.pictures import Bar, Buckets
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.stack import Running, Stack, StackError
from bento_observe.stack.query import elasticsearch_count, jaeger_traces, prometheus_query

__all__ = ["Servers"]

_LOGS: Final = "logs-bentoml.otel-*"
_STATUSES: Final = ("200", "400", "500")
_OTHER: Final = "other"
_TOTALS: Final = {semconv.Kind.COUNTER: "sum", semconv.Kind.GAUGE: "max"}


class Servers:
    """A stack that runs; of all its data the part that was sent under `environment` since now."""

    def __init__(self, running: Running, environment: str) -> None:
        self._running = running
        self._environment = environment
        self._since = time.time()
        self.endpoint = running.otlp_grpc
        self.description = (
            f"OpenTelemetry Collector at {running.otlp_grpc.removeprefix('http://')}, "
            "into Jaeger, Prometheus and Elasticsearch"
        )
        # The APIs' answers: the servers as built here come without their web pages.
        medians = "histogram_quantile(0.5, sum by (ml_feature_name, le) (ml_feature_value_bucket))"
        drift = f'max by (ml_feature_name) ({metric_name(semconv.FEATURE_DRIFT)}{{ml_drift_method="psi"}})'
        self.places = (
            ("traces", f"{running.jaeger}/api/traces?service={SERVICE}&limit=5&prettyPrint=true"),
            ("metrics", f"{running.prometheus}/api/v1/query?query={quote(medians, safe='(),')}"),
            ("drift", f"{running.prometheus}/api/v1/query?query={quote(drift, safe='(),')}"),
            ("logs", f"{running.elasticsearch}/{_LOGS}/_search?pretty&sort=@timestamp:desc"),
            ("the servers", f"{program()} stack status"),
        )
        # As the resource's attribute deployment.environment.name is called there.
        self._selected = f'deployment_environment_name="{environment}"'
        self._query = f'resource.attributes.deployment.environment.name:"{environment}"'
        self._readers: dict[str, Callable[[], dict[str, int]]] = {
            "server_spans": lambda: _jaeger.statuses(self._spans()),
            "stage_spans": lambda: _jaeger.stages(self._spans()),
            "continued": lambda: {"": _jaeger.continued(self._spans())},
            "requests": self._requests,
            "samples": lambda: dict(Counter(self._values(semconv.SIGNAL_INPUT)) + Counter(self._missing())),
            "missing": self._missing,
            "predictions": lambda: dict(
                Counter(self._values(semconv.SIGNAL_PREDICTION)) + Counter(self._categories(semconv.SIGNAL_PREDICTION))
            ),
            "estimated": lambda: self._summed(semconv.ESTIMATE_PREDICTIONS),
            "judged": lambda: self._summed(semconv.ESTIMATE_JUDGED),
            "access_log": self._access_log,
            "service_log": lambda: {"": self._logs(f'scope.name:"{SERVICE_LOGGER}"')},
            "exceptions": lambda: {"": self._logs(f"_exists_:attributes.{semconv.EXCEPTION_TYPE}")},
        }

    @classmethod
    @contextmanager
    def running(cls, environment: str, progress: Callable[[str], None]) -> Iterator[Servers]:
        """The stack, brought up if it isn't, in which case it goes down again afterwards. `DemoError` if it can't."""
        stack = Stack()
        try:
            found = stack.running() if _all_healthy(stack) else None
            ours = found is None
            servers = cls(stack.up(progress=progress) if found is None else found, environment)
        except StackError as error:
            raise DemoError(str(error)) from error
        try:
            yield servers
        finally:
            if ours:
                stack.down()

    def counts(self, check: str) -> Counts:
        """What has arrived of the check with that name."""
        return {key: count for key, count in self._readers[check]().items() if count}

    def _requests(self) -> dict[str, int]:
        label = "http_response_status_code"
        return self._sum(f"sum by ({label}) (http_server_request_duration_seconds_count{{{self._selected}}})", label)

    def _missing(self) -> dict[str, int]:
        return self._features("sum by ({by}) (ml_feature_missing_total{{{of}}})", semconv.SIGNAL_INPUT)

    def _values(self, signal: str) -> dict[str, int]:
        # Explicit histograms where the reference has edges, native ones elsewhere.
        explicit = self._features("sum by ({by}) (ml_feature_value_count{{{of}}})", signal)
        return {**explicit, **self._features("histogram_count(sum by ({by}) (ml_feature_value{{{of}}}))", signal)}

    def _categories(self, signal: str) -> dict[str, int]:
        present = 'ml_feature_category_total{{{of},ml_feature_category!="__missing__"}}'
        return self._features(f"sum by ({{by}}) ({present})", signal)

    def _summed(self, metric: semconv.Metric) -> dict[str, int]:
        return self._sum(f"sum ({metric_name(metric)}{{{self._selected}}})")

    def _access_log(self) -> dict[str, int]:
        access = f'scope.name:"{semconv.LOGGER_ACCESS}"'
        found = {
            status: self._logs(f"{access} AND attributes.{semconv.HTTP_RESPONSE_STATUS_CODE}:{status}")
            for status in _STATUSES
        }
        return {**found, _OTHER: self._logs(access) - sum(found.values())}

    def typical_trace(self) -> tuple[str, list[Bar]]:
        """See `Backend`; `LookupError` when there is none."""
        return _jaeger.typical(self._traces())

    def histograms(self, feature: str, split_ns: int) -> tuple[Buckets, Buckets]:
        """See `Backend`; `LookupError` when no value has arrived."""
        of = f'{self._selected},ml_signal="{semconv.SIGNAL_INPUT}",ml_feature_name="{feature}"'
        before = f"sum by (le) (ml_feature_value_bucket{{{of}}} @ {split_ns / 1e9:.3f})"
        both = (before, f"sum by (le) (ml_feature_value_bucket{{{of}}}) - {before}")
        found = [prometheus_query(self._running.prometheus, promql) for promql in both]
        if not all(found):
            raise LookupError(f"no histogram of a feature named {feature!r} has arrived on both sides of the drift")
        first, second = map(buckets, found)
        return first, second

    def values(
        self, metric: semconv.Metric, by: Sequence[str], at_ns: int | None = None
    ) -> Mapping[tuple[str, ...], float]:
        """See `Backend`."""
        labels = [label_name(name) for name in by]
        at = "" if at_ns is None else f" @ {at_ns / 1e9:.3f}"
        promql = f"{_TOTALS[metric.kind]} by ({', '.join(labels)}) ({metric_name(metric)}{{{self._selected}}}{at})"
        found = prometheus_query(self._running.prometheus, promql)
        return {
            tuple(sample.labels[label] for label in labels): sample.value
            for sample in found
            if sample.value is not None and sample.labels.keys() >= set(labels)
        }

    def _spans(self) -> list[dict[str, Any]]:
        return [span for trace in self._traces() for span in trace["spans"]]

    def _traces(self) -> list[dict[str, Any]]:
        return [
            trace
            for trace in jaeger_traces(self._running.jaeger, SERVICE, start=self._since)
            if _jaeger.environments(trace) == {self._environment}
        ]

    def _logs(self, query: str) -> int:
        return elasticsearch_count(self._running.elasticsearch, _LOGS, f"{self._query} AND trace_id:* AND {query}")

    def _features(self, promql: str, signal: str) -> dict[str, int]:
        labels = ("bentoml_api_name", "ml_feature_name")
        return self._sum(promql.format(by=", ".join(labels), of=f'{self._selected},ml_signal="{signal}"'), *labels)

    def _sum(self, promql: str, *labels: str) -> dict[str, int]:
        return {
            "/".join(sample.labels.get(label, "") for label in labels): round(sample.value or 0)
            for sample in prometheus_query(self._running.prometheus, promql)
        }


def _all_healthy(stack: Stack) -> bool:
    servers = stack.status()
    return bool(servers) and all(server.healthy for server in servers)
