"""Every telemetry name, unit, description and bucket list this package emits, in one place.

HTTP names follow the OpenTelemetry semantic conventions (stable HTTP conventions, 1.23 and later). Names under
`ml.`, `bentoml.` and `bento_observe.` are this project's. `docs/telemetry.md` is generated from here
(`python docs/generate.py`) and a test keeps the two equal.

`_keys` has scopes, attributes and fixed values, `_metrics` and `_performance` the metrics made of them; all are used as
`semconv.NAME`.
"""

from __future__ import annotations

from bento_observe.semconv._keys import *
from bento_observe.semconv._metric import Kind as Kind
from bento_observe.semconv._metric import Metric as Metric
from bento_observe.semconv._metrics import *
from bento_observe.semconv._performance import *
