"""Where telemetry goes: each endpoint is sent an empty export, over a connection as a worker would make it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Final

from bento_observe.doctor._finding import Finding, ok, problem, warning
from bento_observe.settings import SIGNALS, Endpoint, Settings, disabled
from bento_observe.telemetry import probe

__all__ = ["check_endpoints"]

_SECONDS: Final = 5.0
_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}


def check_endpoints(settings: Settings) -> Iterator[Finding]:
    """One finding a signal."""
    if disabled():
        yield warning("OTEL_SDK_DISABLED", "is true: nothing is observed", "unset it")
        return
    for signal in SIGNALS:
        yield _check(signal, settings.endpoint(signal))


def _check(signal: str, endpoint: Endpoint) -> Finding:
    if endpoint.exporter == "none":
        return ok(signal, "are not sent (the exporter is none, or a setting cannot be used)")
    if endpoint.exporter == "console":
        return ok(signal, "are written to standard output")
    where = f"{endpoint.url} ({endpoint.protocol})"
    try:
        outcome = probe(signal, endpoint, min(_SECONDS, endpoint.timeout))
    except Exception as error:  # noqa: BLE001 - a certificate that is none, say
        return problem(signal, f"cannot be sent to {where}: {error}", "correct the endpoint's settings")
    if outcome.accepted:
        return ok(signal, f"{where} takes an empty export")
    return problem(
        signal, f"{where} does not take an empty export: {outcome.reason}", _remedy(endpoint, outcome.reason)
    )


def _remedy(endpoint: Endpoint, reason: str) -> str:
    port = urllib.parse.urlsplit(endpoint.url if "://" in endpoint.url else f"//{endpoint.url}").port
    other = next((name for name, usual in _PORTS.items() if usual == port and name != endpoint.protocol), None)
    if other is not None:
        return f"port {port} is usually that of {other}: set OTEL_EXPORTER_OTLP_PROTOCOL={other}, or another port"
    if reason.startswith("tls"):
        return "set OTEL_EXPORTER_OTLP_CERTIFICATE to the authority's certificate"
    if "unauthenticated" in reason or "permission" in reason or reason in ("http_401", "http_403"):
        return "set OTEL_EXPORTER_OTLP_HEADERS to what the endpoint wants, such as authorization=..."
    if reason == "http_404":
        return "the path is not an OTLP one; /v1/traces and its like follow the general endpoint, not a signal's own"
    return "start the Collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT"
