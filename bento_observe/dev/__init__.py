"""The embedded default: an OTLP receiver over a DuckDB file, in one Python process, for development and tests.

Needs the extra `bento-observe[dev]`. For more than one laptop's worth of telemetry, for dashboards, alerts and search,
there are the real servers: `bento-observe stack up`.
"""

from __future__ import annotations

from bento_observe.dev._child import otlp_elsewhere, otlp_environment, run_command
from bento_observe.dev._database import Parameters
from bento_observe.dev._errors import DatabaseError, DevError, MissingExtraError, PortTakenError, QueryError
from bento_observe.dev._receiver import DevReceiver
from bento_observe.dev._remote import ask
from bento_observe.dev._store import Counts

__all__ = [
    "Counts",
    "DatabaseError",
    "DevError",
    "DevReceiver",
    "MissingExtraError",
    "Parameters",
    "PortTakenError",
    "QueryError",
    "ask",
    "otlp_elsewhere",
    "otlp_environment",
    "run_command",
]
