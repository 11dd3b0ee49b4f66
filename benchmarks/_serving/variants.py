"""The kinds of telemetry that are compared, and the environment that each is served with."""

from __future__ import annotations

from typing import Final

__all__ = ["ASGI", "BENTOML_OTLP", "BENTO_OBSERVE", "DEFAULT", "PLAIN", "PLAIN_AGAIN", "VARIANTS", "environment"]

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
it too, so the difference between this and `bento_observe` is telemetry alone."""
BENTO_OBSERVE: Final = "bento_observe"
"""`@observe`: spans, metrics, log records with the access log, and the statistics of every feature."""

DEFAULT: Final = (PLAIN, PLAIN_AGAIN, BENTOML_OTLP, ASGI, BENTO_OBSERVE)
VARIANTS: Final = (*DEFAULT, ASGI_ALONE, PLAIN_MEDIA_TYPE)

METRIC_INTERVAL_MS: Final = 5000
_SDK_SPAN_DELAY_MS: Final = 500


def environment(variant: str, sink_port: int) -> dict[str, str]:
    """The variables that a server of `variant` gets on top of the common ones."""
    variables = {
        "BENCHMARK_VARIANT": variant,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink_port}",
        "OTEL_METRIC_EXPORT_INTERVAL": str(METRIC_INTERVAL_MS),
    }
    if variant != BENTO_OBSERVE:
        # The SDK waits 5 s by default; shorter, so that a block's last spans are sent within the time the block is
        # given to come to rest. Ours would read it too, and keeps its own default.
        variables["OTEL_BSP_SCHEDULE_DELAY"] = str(_SDK_SPAN_DELAY_MS)
    return variables
