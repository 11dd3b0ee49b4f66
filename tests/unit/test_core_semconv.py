"""The telemetry contract is sound in itself."""

from __future__ import annotations

import re

import pytest

from bento_observe import semconv
from bento_observe.semconv import METRICS, Kind, Metric


def test_every_declared_metric_is_in_the_list_once() -> None:
    """The list is what the documentation is made from."""
    declared = [value for value in vars(semconv).values() if isinstance(value, Metric)]

    assert sorted(metric.name for metric in METRICS) == sorted(metric.name for metric in declared)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_described_in_full(metric: Metric) -> None:
    """A dotted lower-case name, a unit, a sentence, attributes once each, ascending bounds for histograms alone."""
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", metric.name)
    assert re.fullmatch(r"s|By|1|Cel|W|J|\{[a-z_]+\}(/s)?", metric.unit)
    assert metric.description.endswith(".")
    assert len(set(metric.attributes)) == len(metric.attributes)
    assert list(metric.boundaries) == sorted(set(metric.boundaries))
    assert metric.kind is Kind.HISTOGRAM or not metric.boundaries


def test_scopes_differ() -> None:
    """Two producers under one scope name would overwrite each other in a backend."""
    scopes = [value for name, value in vars(semconv).items() if name.startswith("SCOPE_")]

    assert len(set(scopes)) == len(scopes) >= 3
