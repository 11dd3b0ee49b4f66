"""Rows as the series that Prometheus would have of them, for `promtool test rules`: hours in seconds, and no server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OtlpMetric

from bento_observe import semconv
from bento_observe.features import FeatureStatistics
from bento_observe.features._export import Group, encode
from bento_observe.features.reference import Reference
from bento_observe.prometheus_names import label_name, metric_name

Rows = Callable[[int, int], Any]
"""Minute and worker -> what it is asked, or answers, in that minute: a frame or an array."""

SERVICE, API = "simulated", "predict"
_METRICS = {metric.name: metric for metric in semconv.METRICS}
_LEFT_OUT = {semconv.FEATURE_VALUE.name, semconv.FEATURE_REFERENCE_VALUE.name}
"""What no alert is computed from."""


def series(
    reference: Reference, rows: Rows, workers: int, minutes: int, signal_name: str = semconv.SIGNAL_INPUT
) -> dict[str, list[float | None]]:
    """What `workers` export once a minute, by our own aggregator and encoder: series -> samples."""
    found: dict[str, list[float | None]] = defaultdict(lambda: [None] * (minutes + 1))
    signal = reference.signals[signal_name]
    for worker in range(workers):
        statistics = FeatureStatistics(signal)
        for minute in range(minutes + 1):
            if minute:
                statistics.update(rows(minute, worker))
                statistics.flush()
            group = Group(
                {semconv.ML_SIGNAL: signal_name, semconv.API_NAME: API},
                statistics.snapshot(),
                signal,
                describe=worker == 0,
            )
            resource = {"service_name": SERVICE, "service_instance_id": f"worker-{worker}"}
            for metric in encode([group], 1, 2, AGGREGATION_TEMPORALITY_CUMULATIVE):
                if metric.name not in _LEFT_OUT:
                    for name, value in samples(metric, resource):
                        found[name][minute] = value
    return found


def write(
    path: Path,
    rules: Sequence[Path],
    samples: Mapping[str, Sequence[float | None]],
    told: Mapping[int, Sequence[tuple[str, str]]],
) -> None:
    """A file of tests: in each minute of `told` these alerts fire of these features, and no others of any.

    An alert that is of no feature has an empty one.
    """
    checks = [
        {
            "expr": 'count by (alertname, ml_feature_name) (ALERTS{alertstate="firing", alertname!="Watchdog"})',
            "eval_time": f"{minute}m",
            "exp_samples": [
                {
                    "labels": _series("", {"alertname": alert, **({"ml_feature_name": feature} if feature else {})}),
                    "value": 1,
                }
                for alert, feature in alerts
            ],
        }
        for minute, alerts in told.items()
    ]
    inputs = [{"series": name, "values": " ".join(map(_value, values))} for name, values in samples.items()]
    document = {
        "rule_files": [str(rule) for rule in rules],
        "evaluation_interval": "30s",
        "group_eval_order": [
            "feature_reference", "feature_drift_1h", "performance_reference", "performance_estimate_1h",
            "loss_estimate_1h", "concept_drift_1h", "concept_drift_24h", "loss_disagreement_1h", "model_performance_1h",
            "model_performance_24h", "service_alerts", "features_alerts", "performance_alerts", "telemetry_alerts",
        ],
        "tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": checks}],
    }  # fmt: skip
    path.write_text(yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), width=10**6))


def samples(metric: OtlpMetric, resource: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """A metric of sums or gauges as series, with the labels of `resource` too, and their values."""
    name = metric_name(_METRICS[metric.name])
    kind: Any = getattr(metric, str(metric.WhichOneof("data")))
    for point in kind.data_points:
        labels = {label_name(pair.key): pair.value.string_value for pair in point.attributes} | dict(resource)
        yield _series(name, labels), point.as_int or point.as_double


def _series(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}"


def _feature(name: str) -> dict[str, str]:
    return {"ml_feature_name": name} if name else {}


def _value(value: float | None) -> str:
    return "_" if value is None else repr(value)
