"""The kinds of telemetry that are compared, and the environment that each is served with."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Final

__all__ = [
    "ACROSS",
    "ASGI",
    "BENTOML_OTLP",
    "BENTO_OBSERVE",
    "DEFAULT",
    "PLAIN",
    "PLAIN_AGAIN",
    "VARIANTS",
    "environment",
]

PLAIN: Final = "plain"
"""BentoML as it comes: its tracing middleware runs and exports nothing, its access log goes to standard output."""
PLAIN_AGAIN: Final = "plain_again"
"""A second one of the same: how far two equal servers differ is the noise of the whole measurement."""
BENTOML_OTLP: Final = "bentoml_otlp"
"""BentoML's own tracing, every request, over OTLP gRPC."""
ASGI: Final = "asgi"
"""opentelemetry-instrumentation-asgi with traces and metrics, added by `add_asgi_middleware`."""
ASGI_ALONE: Final = "asgi_alone"
"""The same with BentoML's own tracing middleware out of the way: the least that this instrumentation can cost."""
PLAIN_MEDIA_TYPE: Final = "plain_media_type"
"""Plain, but told its answers' media type, which BentoML else works out for each from the JSON schema. `observe` keeps
it too, so the difference between this and `bento_observe` is telemetry alone. Of a legacy service it is as plain."""
BENTO_OBSERVE: Final = "bento_observe"
"""`@observe`: spans, metrics, log records with the access log, and the statistics of every feature."""
OBSERVE_ABSENT: Final = "bento_observe_absent"
"""The same with nobody at the endpoint."""
OBSERVE_SILENT: Final = "bento_observe_silent"
"""The same with an endpoint that takes connections and never answers."""

OBSERVED: Final = (BENTO_OBSERVE, OBSERVE_ABSENT, OBSERVE_SILENT)
DEFAULT: Final = (PLAIN, PLAIN_AGAIN, BENTOML_OTLP, ASGI, BENTO_OBSERVE)
VARIANTS: Final = (*DEFAULT, ASGI_ALONE, PLAIN_MEDIA_TYPE, OBSERVE_ABSENT, OBSERVE_SILENT)
ACROSS: Final = (PLAIN, PLAIN_AGAIN, BENTO_OBSERVE)
"""Those that are compared on each surface."""

METRIC_INTERVAL_MS: Final = 5000
_SDK_SPAN_DELAY_MS: Final = 500
_DISCARD_PORT: Final = 9  # reserved, and nobody's here


@lru_cache(maxsize=1)
def _silent_listener() -> socket.socket:
    """Connections to it are made by the kernel, and nobody takes them."""
    return socket.create_server(("127.0.0.1", 0))


def _port(variant: str, sink_port: int) -> int:
    if variant == OBSERVE_SILENT:
        return int(_silent_listener().getsockname()[1])
    return _DISCARD_PORT if variant == OBSERVE_ABSENT else sink_port


def environment(variant: str, sink_port: int) -> dict[str, str]:
    """The variables that a server of `variant` gets on top of the common ones."""
    variables = {
        "BENCHMARK_VARIANT": variant,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{_port(variant, sink_port)}",
        "OTEL_METRIC_EXPORT_INTERVAL": str(METRIC_INTERVAL_MS),
    }
    if variant not in OBSERVED:
        # The SDK waits 5 s by default; shorter, so that a block's last spans are sent within the time the block is
        # given to come to rest. Ours would read it too, and keeps its own default.
        variables["OTEL_BSP_SCHEDULE_DELAY"] = str(_SDK_SPAN_DELAY_MS)
    return variables
