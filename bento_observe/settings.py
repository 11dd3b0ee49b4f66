"""All settings of one process, read once: arguments win over the environment, the environment over defaults.

The `OTEL_*` variables mean what the OpenTelemetry specification says they mean; ours begin with `BENTO_OBSERVE_`.
"""

from __future__ import annotations

import logging
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from bento_observe._environment import EnvironmentReader
from bento_observe._label_keys import keys_of
from bento_observe._prediction_store import PredictionStore, store_of
from bento_observe.semconv import DRIFT_METHODS

__all__ = ["MAX_SLICES", "MAX_SLICE_VALUES", "SIGNALS", "Endpoint", "Settings", "disabled", "from_environment"]

SIGNALS = ("traces", "metrics", "logs")
MAX_SLICES = 8
MAX_SLICE_VALUES = 1000

_GRPC, _HTTP = "grpc", "http/protobuf"
_DEFAULT_URL = {_GRPC: "http://localhost:4317", _HTTP: "http://localhost:4318"}
_SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
_MEBIBYTE = 1 << 20
_DRIFT_WINDOWS = {"1h": 3600.0, "24h": 86_400.0}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_WINDOWS = 4


@dataclass(frozen=True)
class Endpoint:
    """Where one signal goes. `exporter` is otlp, console or none; the rest is used with otlp only.

    `url` is complete (for http/protobuf it ends with the signal's path), `timeout` is in seconds, `compression` is
    gzip, deflate or empty, the three certificate fields are paths of PEM files.
    """

    exporter: str = "otlp"
    protocol: str = _GRPC
    url: str = _DEFAULT_URL[_GRPC]
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 10.0
    compression: str = ""
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    insecure: bool = True


@dataclass(frozen=True)
class Settings:
    """What `from_environment` found. Times are in seconds, sizes in bytes; `problems` holds one line per bad value.
    `predictions` is None where ids are tokens, which carry what they need.
    """

    traces: Endpoint = Endpoint()
    metrics: Endpoint = Endpoint()
    logs: Endpoint = Endpoint()
    metric_interval: float = 60.0
    flush_interval: float = 0.2
    shutdown_timeout: float = 3.0
    queue_bytes: int = 8 * _MEBIBYTE
    sampler: str = "parentbased_always_on"
    sampler_ratio: float = 1.0
    temporality: str = "cumulative"
    exemplar_filter: str = "trace_based"
    trace_header: str = "x-bentoml-trace-id"
    log_level: int = logging.INFO
    drift_methods: tuple[str, ...] = DRIFT_METHODS
    drift_windows: Mapping[str, float] = field(default_factory=lambda: dict(_DRIFT_WINDOWS))
    reference: str = ""
    slices: tuple[str, ...] = ()
    slice_values: int = 20
    prediction_header: str = "x-prediction-id"
    labels: bool = False
    label_max_age: float = 30 * 86_400.0
    label_window: int = 1_000_000
    predictions: PredictionStore | None = None
    problems: tuple[str, ...] = ()

    def endpoint(self, signal: str) -> Endpoint:
        """The endpoint of one of `SIGNALS`."""
        return {"traces": self.traces, "metrics": self.metrics, "logs": self.logs}[signal]


def disabled() -> bool:
    """Whether `OTEL_SDK_DISABLED` is true: then nothing of this package runs."""
    return EnvironmentReader.of_process().text("OTEL_SDK_DISABLED")[1].lower() == "true"


def from_environment(reader: EnvironmentReader | None = None) -> Settings:
    """Read every setting. Never raises: what cannot be used is replaced by its default and told in `problems`."""
    env = reader or EnvironmentReader.of_process()
    traces, metrics, logs = (_endpoint(env, signal) for signal in SIGNALS)
    # These two are read elsewhere; looked at here so that a bad value is told as every other.
    env.choice(["OTEL_SDK_DISABLED"], ("true", "false"), "false")
    env.pairs("OTEL_RESOURCE_ATTRIBUTES")
    keys_of(env)
    header = _header_name(env, "BENTO_OBSERVE_PREDICTION_HEADER", "x-prediction-id")
    return Settings(
        traces=traces,
        metrics=metrics,
        logs=logs,
        metric_interval=env.number(["OTEL_METRIC_EXPORT_INTERVAL"], 60_000, 100, 3_600_000, "milliseconds") / 1000,
        flush_interval=env.number(["BENTO_OBSERVE_FLUSH_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY"], 200, 10, 60_000, "ms")
        / 1000,
        shutdown_timeout=env.number(["BENTO_OBSERVE_SHUTDOWN_TIMEOUT"], 3_000, 0, 60_000, "milliseconds") / 1000,
        queue_bytes=int(
            env.number(["BENTO_OBSERVE_QUEUE_BYTES"], 8 * _MEBIBYTE, 64 * 1024, 4096 * _MEBIBYTE, "bytes per signal")
        ),
        sampler=env.choice(["OTEL_TRACES_SAMPLER"], _SAMPLERS, "parentbased_always_on"),
        sampler_ratio=env.number(["OTEL_TRACES_SAMPLER_ARG"], 1.0, 0.0, 1.0, "share of traces"),
        temporality=env.choice(
            ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"], ("cumulative", "delta", "lowmemory"), "cumulative"
        ),
        exemplar_filter=env.choice(
            ["OTEL_METRICS_EXEMPLAR_FILTER"], ("always_on", "always_off", "trace_based"), "trace_based"
        ),
        trace_header=_header_name(env, "BENTO_OBSERVE_TRACE_HEADER", "x-bentoml-trace-id"),
        log_level=_log_level(env),
        drift_methods=env.choices("BENTO_OBSERVE_DRIFT_METHODS", DRIFT_METHODS),
        drift_windows=_windows(env),
        reference=_reference(env),
        slices=_slices(env),
        slice_values=int(env.number(["BENTO_OBSERVE_SLICE_VALUES"], 20, 1, MAX_SLICE_VALUES, "values of a slice")),
        prediction_header=header,
        labels=env.flag(["BENTO_OBSERVE_LABELS"], False),
        label_max_age=env.number(["BENTO_OBSERVE_LABEL_MAX_AGE"], 30, 1 / 86_400, 366, "days") * 86_400,
        label_window=int(env.number(["BENTO_OBSERVE_LABEL_WINDOW"], 1_000_000, 1000, 1_000_000_000, "labels")),
        predictions=store_of(env, with_events=logs.exporter == "otlp" and bool(header)),
        problems=tuple(env.problems),
    )


def _endpoint(env: EnvironmentReader, signal: str) -> Endpoint:
    upper = signal.upper()

    def names(suffix: str) -> list[str]:
        return [f"OTEL_EXPORTER_OTLP_{upper}_{suffix}", f"OTEL_EXPORTER_OTLP_{suffix}"]

    exporter = env.choice([f"OTEL_{upper}_EXPORTER"], ("otlp", "console", "none"), "otlp")
    if exporter != "otlp":
        return Endpoint(exporter=exporter)
    protocol = env.choice(names("PROTOCOL"), (_GRPC, _HTTP), _GRPC)
    url = _url(env, names("ENDPOINT"), signal, protocol)
    faults = len(env.problems)
    certificate = env.readable_file(*names("CERTIFICATE"))
    client_key = env.readable_file(*names("CLIENT_KEY"))
    client_certificate = env.readable_file(*names("CLIENT_CERTIFICATE"))
    if url is None or len(env.problems) > faults:
        return Endpoint(exporter="none")
    scheme = urllib.parse.urlsplit(url).scheme
    insecure = {"http": True, "unix": True, "https": False}.get(scheme, env.flag(names("INSECURE"), False))
    return Endpoint(
        exporter=exporter,
        protocol=protocol,
        url=url,
        headers=tuple((key.lower(), value) for key, value in env.pairs(*names("HEADERS"), secret=True).items()),
        timeout=_timeout(env, names("TIMEOUT")),
        compression=env.choice(names("COMPRESSION"), ("gzip", "deflate", "none"), "").replace("none", ""),
        certificate=certificate,
        client_key=client_key,
        client_certificate=client_certificate,
        insecure=insecure,
    )


def _url(env: EnvironmentReader, names: list[str], signal: str, protocol: str) -> str | None:
    name, value = env.text(*names)
    if not value:
        name, value = names[1], _DEFAULT_URL[protocol]
    if not _usable(value, protocol):
        example = _DEFAULT_URL[protocol]
        env.problem(name, value, f"is not a URL for {protocol}", f"{signal} are not sent: write it as {example}")
        return None
    if protocol == _HTTP and name == names[1]:
        return f"{value.rstrip('/')}/v1/{signal}"
    return value


def _usable(value: str, protocol: str) -> bool:
    if any(character.isspace() for character in value):
        return False
    bare = "://" not in value
    try:
        parts = urllib.parse.urlsplit(f"grpc://{value}" if bare else value)
        port = parts.port
    except ValueError:
        return False
    if protocol == _GRPC and parts.scheme == "unix":
        return bool(parts.path)
    if bare:  # gRPC also takes host:port
        return protocol == _GRPC and bool(parts.hostname) and port is not None
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _timeout(env: EnvironmentReader, names: list[str]) -> float:
    """Seconds. The specification counts milliseconds, OpenTelemetry Python seconds; both kinds of value are in use."""
    value = env.number(names, 10.0, 0.001, 3_600_000, "seconds below 1000, milliseconds from there")
    return value if value < 1000 else value / 1000


def _header_name(env: EnvironmentReader, setting: str, default: str) -> str:
    name, value = env.text(setting)
    if not value:
        return default
    if value.lower() == "none":
        return ""
    if not all(character.isascii() and (character.isalnum() or character in "-_") for character in value):
        env.problem(name, value, "is not a header name", f"{default} is used: use letters, digits and '-'")
        return default
    return value.lower()


def _log_level(env: EnvironmentReader) -> int:
    levels = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50, "none": 100}
    return levels[env.choice(["BENTO_OBSERVE_LOG_LEVEL"], tuple(levels), "info")]


def _reference(env: EnvironmentReader) -> str:
    """A path that can be read, or the tag of a model, which is looked for by the workers."""
    name, value = env.text("BENTO_OBSERVE_REFERENCE")
    if value.endswith(".json"):
        faults = len(env.problems)
        env.readable_file(name, remedy="served without a reference")
        return value if len(env.problems) == faults else ""
    return value


def _slices(env: EnvironmentReader) -> tuple[str, ...]:
    name, value = env.text("BENTO_OBSERVE_SLICES")
    columns = tuple(dict.fromkeys(filter(None, map(str.strip, value.split(",")))))
    if len(columns) > MAX_SLICES:
        env.problem(name, value, f"are more than {MAX_SLICES} columns", f"the first {MAX_SLICES} are used")
    return columns[:MAX_SLICES]


def _windows(env: EnvironmentReader) -> Mapping[str, float]:
    """Names and seconds of the windows that drift is computed for."""
    name, value = env.text("BENTO_OBSERVE_DRIFT_WINDOWS")
    if not value:
        return dict(_DRIFT_WINDOWS)
    if value.lower() == "none":
        return {}
    found = {}
    for part in map(str.strip, value.split(",")):
        number, unit = part[:-1], part[-1:]
        if not (number.isascii() and number.isdigit() and len(number) < 9 and int(number) and unit in _SECONDS):
            break
        found[part] = float(int(number) * _SECONDS[unit])
    else:
        if len(found) <= _MAX_WINDOWS and len(set(found.values())) == len(found) and max(found.values()) <= 30 * 86_400:
            return found
    remedy = "1h,24h is used: write lengths such as 30m,1h,7d, or none"
    env.problem(name, value, f"is not up to {_MAX_WINDOWS} different lengths of time up to 30d", remedy)
    return dict(_DRIFT_WINDOWS)
