"""The embedded receiver as the demonstration's backend."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bento_observe import semconv
from bento_observe.demo._checks import SERVICE_LOGGER, Counts
from bento_observe.demo._paths import program, shown
from bento_observe.dev import DevReceiver, Parameters
from bento_observe.dev.pictures import Bar, Buckets, read_histograms, read_trace

__all__ = ["Embedded"]

_FEATURES: Final = """
    SELECT concat_ws('/', attributes->>$api, attributes->>$feature), sum(coalesce("count", value)) FROM metric_totals
    WHERE list_contains($names, name) AND (attributes->>$signal) = $wanted
        AND (attributes->>$category) IS DISTINCT FROM $missing GROUP BY ALL
"""
_VALUES: Final = """
    SELECT [{labels}] AS labels, {total}(value) FROM (
        SELECT * FROM metric_points WHERE name = $name AND time_ns <= $at
        QUALIFY row_number() OVER (PARTITION BY service_instance_id, attributes ORDER BY time_ns DESC, rowid DESC) = 1
    ) GROUP BY labels
"""
_TOTALS: Final = {semconv.Kind.COUNTER: "sum", semconv.Kind.GAUGE: "max"}
_BY_STATUS: Final = """
    SELECT attributes->>$key, count(*) FROM logs WHERE scope_name = $logger AND trace_id IS NOT NULL GROUP BY ALL
"""


def _summed(metric: semconv.Metric) -> tuple[str, Parameters]:
    """What a counter has come to in all."""
    return "SELECT '', sum(value) FROM metric_totals WHERE name = $name", {"name": metric.name}


def _features(wanted: str, *metrics: semconv.Metric) -> tuple[str, Parameters]:
    """What `metrics` have counted of one signal, by API and feature."""
    return _FEATURES, {
        "api": semconv.API_NAME,
        "feature": semconv.ML_FEATURE_NAME,
        "signal": semconv.ML_SIGNAL,
        "wanted": wanted,
        "category": semconv.ML_FEATURE_CATEGORY,
        "missing": semconv.CATEGORY_MISSING,
        "names": [metric.name for metric in metrics],
    }


_COUNTS: Final[Mapping[str, tuple[str, Parameters]]] = {
    "server_spans": ("SELECT status, count(*) FROM requests GROUP BY ALL", None),
    "stage_spans": ("SELECT split_part(name, ' ', 1), count(*) FROM spans WHERE kind = 'internal' GROUP BY ALL", None),
    "continued": ("SELECT '', count(*) FROM requests WHERE parent_span_id IS NOT NULL", None),
    "requests": (
        'SELECT attributes->>$key, sum("count") FROM metric_totals WHERE name = $name GROUP BY ALL',
        {"key": semconv.HTTP_RESPONSE_STATUS_CODE, "name": semconv.REQUEST_DURATION.name},
    ),
    "samples": _features(semconv.SIGNAL_INPUT, semconv.FEATURE_VALUE, semconv.FEATURE_MISSING),
    "missing": _features(semconv.SIGNAL_INPUT, semconv.FEATURE_MISSING),
    "predictions": _features(semconv.SIGNAL_PREDICTION, semconv.FEATURE_VALUE, semconv.FEATURE_CATEGORY),
    "estimated": _summed(semconv.ESTIMATE_PREDICTIONS),
    "judged": _summed(semconv.ESTIMATE_JUDGED),
    "access_log": (_BY_STATUS, {"key": semconv.HTTP_RESPONSE_STATUS_CODE, "logger": semconv.LOGGER_ACCESS}),
    "service_log": (
        "SELECT '', count(*) FROM logs WHERE scope_name = $logger AND trace_id IS NOT NULL",
        {"logger": SERVICE_LOGGER},
    ),
    "exceptions": (
        "SELECT '', count(*) FROM logs WHERE (attributes->>$key) IS NOT NULL AND trace_id IS NOT NULL",
        {"key": semconv.EXCEPTION_TYPE},
    ),
}
_TYPICAL: Final = """
WITH answered AS (SELECT trace_id, duration_ms FROM requests WHERE status = 200 AND route = '/classify')
SELECT trace_id FROM answered ORDER BY duration_ms LIMIT 1 OFFSET (SELECT count(*) // 2 FROM answered)
"""


class Embedded:
    """A `DevReceiver` in this process, over a DuckDB file that holds this run only."""

    def __init__(self, receiver: DevReceiver, database: Path) -> None:
        self._receiver = receiver
        self.endpoint = receiver.grpc_endpoint
        self.description = f"embedded, OTLP at {receiver.grpc_endpoint.removeprefix('http://')}, into {shown(database)}"
        dev, option = f"{program()} dev", f"--db {shlex.quote(shown(database))}"
        self.places = (
            ("the last trace", f"{dev} trace {option}"),
            ("all features", f"{dev} features {option}"),
            ("one of them", f"{dev} features proline {option}"),
            ("any question", f'{dev} query {option} "FROM requests WHERE status >= 500 LIMIT 10"'),
        )

    @classmethod
    @contextmanager
    def running(cls, database: Path) -> Iterator[Embedded]:
        """Receive into `database`, made anew."""
        for leftover in (database, Path(f"{database}.wal")):
            leftover.unlink(missing_ok=True)
        with DevReceiver(database) as receiver:
            yield cls(receiver, database)

    def counts(self, check: str) -> Counts:
        """What has arrived of the check with that name."""
        rows = self._receiver.query(*_COUNTS[check])
        return {str(key): int(count) for key, count in rows if count}

    def typical_trace(self) -> tuple[str, list[Bar]]:
        """See `Backend`; `LookupError` when there is none."""
        found = self._receiver.query(_TYPICAL)
        return read_trace(self._receiver.query, found[0][0] if found else "none")

    def histograms(self, feature: str, split_ns: int) -> tuple[Buckets, Buckets]:
        """See `Backend`; `LookupError` when no value has arrived."""
        return read_histograms(self._receiver.query, feature, signal=semconv.SIGNAL_INPUT, split_ns=split_ns)

    def values(
        self, metric: semconv.Metric, by: Sequence[str], at_ns: int | None = None
    ) -> Mapping[tuple[str, ...], float]:
        """See `Backend`."""
        keys = {f"by_{position}": name for position, name in enumerate(by)}
        labels = ", ".join(f"attributes->>${key}" for key in keys)
        asked = {**keys, "name": metric.name, "at": time.time_ns() if at_ns is None else at_ns}
        rows = self._receiver.query(_VALUES.format(labels=labels, total=_TOTALS[metric.kind]), asked)
        return {tuple(labels): float(value) for labels, value in rows if None not in labels}
