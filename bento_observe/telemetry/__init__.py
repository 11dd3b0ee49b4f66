"""Everything between a record made on the request path and an OTLP endpoint; knows nothing of BentoML."""

from __future__ import annotations

from bento_observe.telemetry._exceptions import describe, type_name
from bento_observe.telemetry._gpu import GpuMetrics
from bento_observe.telemetry._health import Health
from bento_observe.telemetry._histogram import ExplicitHistogram, collect
from bento_observe.telemetry._identifiers import random_bytes
from bento_observe.telemetry._numbers import up_down_counter
from bento_observe.telemetry._pipeline import MetricProducer, Source
from bento_observe.telemetry._process import ProcessMetrics
from bento_observe.telemetry._queue import SignalQueue
from bento_observe.telemetry._resource import Identity
from bento_observe.telemetry._telemetry import Telemetry
from bento_observe.telemetry._transport import Outcome, probe

__all__ = [
    "ExplicitHistogram",
    "GpuMetrics",
    "Health",
    "Identity",
    "MetricProducer",
    "Outcome",
    "ProcessMetrics",
    "SignalQueue",
    "Source",
    "Telemetry",
    "collect",
    "describe",
    "probe",
    "random_bytes",
    "type_name",
    "up_down_counter",
]
