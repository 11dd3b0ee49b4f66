"""What the rules cost with many features and replicas."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import stack_signals as otlp
import urllib3
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from bento_observe import semconv
from bento_observe.features import FeatureStatistics
from bento_observe.features._export import Group, encode
from bento_observe.features.reference import Reference, SignalReference
from bento_observe.stack import Running, Stack, _http
from bento_observe.stack.query import prometheus_value

pytestmark = pytest.mark.stack

FEATURES, REPLICAS, MINUTES = 100, 10, 60
MOST_SECONDS = 1.0


@pytest.fixture(scope="module")
def running(stack: Stack) -> Running:
    return stack.running() or stack.up()


def test_a_hundred_features_of_ten_replicas_are_evaluated_within_a_second(running: Running) -> None:
    """An hour of one export a minute, sent at once: every group of rules takes less, even all groups of alerts."""
    service = otlp.new_service()
    random = np.random.default_rng(3)
    names = [f"feature {number}" for number in range(FEATURES)]
    reference = Reference.from_frame(pd.DataFrame(random.normal(size=(2000, FEATURES)), columns=names))
    signal = reference.signals[semconv.SIGNAL_INPUT]
    now = time.time_ns()
    with urllib3.PoolManager() as pool:
        for replica in range(REPLICAS):
            statistics = FeatureStatistics(signal)
            for minute in range(MINUTES + 1):
                statistics.update(pd.DataFrame(random.normal(size=(40, FEATURES)), columns=names))
                statistics.flush()
                when = now - (MINUTES - minute) * 60_000_000_000
                body = _request(service, replica, statistics, signal, when)
                answer = pool.request(
                    "POST", f"{running.prometheus}/api/v1/otlp/v1/metrics", body=body,
                    headers={"content-type": "application/x-protobuf"}, timeout=30,
                )  # fmt: skip
                assert answer.status == 200, answer.data
    series = prometheus_value(running.prometheus, f'count({{service_name="{service}"}})')
    sent = time.time()
    recorded = f'count(feature:ml_feature_drift:drifted{{service_name="{service}", ml_drift_window="1h"}})'
    otlp.eventually(lambda: prometheus_value(running.prometheus, recorded) >= 2 * FEATURES, True, timeout=150)
    groups = _http.get_json(f"{running.prometheus}/api/v1/rules")["data"]["groups"]
    taken = {group["name"]: float(group["evaluationTime"]) for group in groups}
    print(f"{series:.0f} series; " + ", ".join(f"{name} {1000 * spent:.0f} ms" for name, spent in taken.items()))
    assert series > FEATURES * REPLICAS * 60
    assert time.time() - sent < 150
    assert max(taken.values()) < MOST_SECONDS


def _request(service: str, replica: int, statistics: FeatureStatistics, signal: SignalReference, when: int) -> bytes:
    group = Group(
        {semconv.ML_SIGNAL: semconv.SIGNAL_INPUT, semconv.API_NAME: "predict"},
        statistics.snapshot(),
        signal,
        describe=True,
    )
    metrics = encode([group], when - 3_600_000_000_000, when, AGGREGATION_TEMPORALITY_CUMULATIVE)
    attributes = {"service.name": service, "service.instance.id": f"{service}-{replica}"}
    resource = Resource(
        attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]
    )
    made = ResourceMetrics(resource=resource, scope_metrics=[ScopeMetrics(metrics=metrics)])
    return ExportMetricsServiceRequest(resource_metrics=[made]).SerializeToString()
