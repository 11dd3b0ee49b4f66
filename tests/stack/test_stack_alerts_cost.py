"""What the rules cost with many features and replicas."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import stack_signals as otlp
import urllib3
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
from bento_observe.features.reference import Reference
from bento_observe.framing import message
from bento_observe.stack import Running, Stack, _http
from bento_observe.stack.query import prometheus_query, prometheus_value

pytestmark = pytest.mark.stack

FEATURES, REPLICAS, MINUTES = 100, 10, 60
MOST_SECONDS = 1.0
_MINUTE_NS = 60_000_000_000
_RESOURCE_METRICS = b"\x0a"  # field 1 of a request


@pytest.fixture(scope="module")
def running(stack: Stack) -> Running:
    return stack.running() or stack.up()


def test_a_hundred_features_of_ten_replicas_are_evaluated_within_a_second(running: Running) -> None:
    """An hour of one export a minute, sent at once: no group of rules takes longer, those of a day included.

    Each rule is asked for three times, and the shortest counts: other tests may be at work on the machine.
    """
    service = otlp.new_service()
    _send_an_hour(running, service)
    series = prometheus_value(running.prometheus, f'count({{service_name="{service}"}})')
    assert series > FEATURES * REPLICAS * 30
    recorded = f'count(feature:ml_feature_drift:pooled{{service_name="{service}", ml_drift_method="psi"}})'
    otlp.eventually(lambda: prometheus_value(running.prometheus, recorded) >= FEATURES, True, timeout=150)
    groups = _http.get_json(f"{running.prometheus}/api/v1/rules")["data"]["groups"]
    taken = {
        group["name"]: sum(min(_seconds(running, rule["query"]) for _ in range(3)) for rule in group["rules"])
        for group in groups
    }
    print(f"{series:.0f} series; " + ", ".join(f"{name} {1000 * spent:.0f} ms" for name, spent in taken.items()))
    assert max(taken.values()) < MOST_SECONDS


def _seconds(running: Running, expression: str) -> float:
    began = time.perf_counter()
    prometheus_query(running.prometheus, expression)
    return time.perf_counter() - began


def _send_an_hour(running: Running, service: str) -> None:
    """What each of the replicas counts is the same; who counted it is not."""
    random = np.random.default_rng(3)
    names = [f"feature {number}" for number in range(FEATURES)]
    reference = Reference.from_frame(pd.DataFrame(random.normal(size=(2000, FEATURES)), columns=names))
    signal = reference.signals[semconv.SIGNAL_INPUT]
    statistics = FeatureStatistics(signal)
    now = time.time_ns()
    with urllib3.PoolManager() as pool:
        for minute in range(MINUTES + 1):
            statistics.update(pd.DataFrame(random.normal(size=(40, FEATURES)), columns=names))
            statistics.flush()
            when = now - (MINUTES - minute) * _MINUTE_NS
            attributes = {semconv.ML_SIGNAL: semconv.SIGNAL_INPUT, semconv.API_NAME: "predict"}
            group = Group(attributes, statistics.snapshot(), signal, describe=True)
            metrics = encode([group], now - MINUTES * _MINUTE_NS, when, AGGREGATION_TEMPORALITY_CUMULATIVE)
            scopes = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=metrics)]).SerializeToString()
            for replica in range(REPLICAS):
                answer = pool.request(
                    "POST", f"{running.prometheus}/api/v1/otlp/v1/metrics", body=_request(service, replica, scopes),
                    headers={"content-type": "application/x-protobuf"}, timeout=30,
                )  # fmt: skip
                assert answer.status == 200, answer.data


def _request(service: str, replica: int, scopes: bytes) -> bytes:
    """Messages one behind the other are one: all replicas have the same, but for their resource."""
    attributes = {"service.name": service, "service.instance.id": f"{service}-{replica}"}
    resource = Resource(
        attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]
    )
    return message(_RESOURCE_METRICS, ResourceMetrics(resource=resource).SerializeToString() + scopes)
