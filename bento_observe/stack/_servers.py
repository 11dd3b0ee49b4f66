"""The four servers: how each is started, how one knows that it is ready, and how it tells its version."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bento_observe.stack import _http
from bento_observe.stack._directories import private_directory
from bento_observe.stack._errors import StackError
from bento_observe.stack._ports import LOOPBACK, Ports
from bento_observe.stack._recipes import COLLECTOR, ELASTICSEARCH, JAEGER, PROMETHEUS

_HEAP = "512m"
_VERSION_TIMEOUT_S = 2.0  # as for the health: a server that hangs must not keep `stack status` waiting


@dataclass(frozen=True)
class Server:
    """A server of the stack, ready to be started.

    Attributes:
        url: What a person or a client opens.
        health: Answers 200 once the server is ready.
        ask_version: The version as the running program itself tells it.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    url: str
    health: str
    ask_version: Callable[[], str]

    def healthy(self) -> bool:
        return _http.status(self.health) == 200


def servers(builds: Mapping[str, Path], collector: Path, data: Path, ports: Ports, java_home: Path) -> list[Server]:
    """All servers of a stack, in the order in which they are started.

    Args:
        builds: Server name -> directory with its build.
        collector: The folder with the configuration.
        data: The stack's data directory.
        ports: Where they listen.
        java_home: A JDK for Elasticsearch.
    """
    return [
        _elasticsearch(builds[ELASTICSEARCH], collector / "elasticsearch" / "config", data, ports, java_home),
        _jaeger(builds[JAEGER], collector / "jaeger", data, ports),
        _prometheus(builds[PROMETHEUS], collector / "prometheus", data, ports),
        _otelcol(builds[COLLECTOR], collector, data, ports),
    ]


def prepare(data: Path) -> None:
    """Make the directories that the servers expect."""
    for directory in (ELASTICSEARCH, JAEGER, PROMETHEUS, COLLECTOR, "logs"):
        private_directory(data / directory)
    for directory in ("data", "logs", "tmp"):
        private_directory(data / ELASTICSEARCH / directory)


def _elasticsearch(build: Path, config: Path, data: Path, ports: Ports, java_home: Path) -> Server:
    home = data / "elasticsearch"
    # Serial collector and first compiler only: half the CPU seconds of a start, and nothing here needs the peak speed.
    jvm = (
        f"-Xms{_HEAP}",
        f"-Xmx{_HEAP}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-OmitStackTraceInFastThrow",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={home / 'tmp'}",
        # The node closes in a shutdown hook of its own and wants to log while it does.
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        # The native vector library is not among the published jars.
        "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false",
        "--enable-native-access=org.elasticsearch.nativeaccess,org.elasticsearch.foreign,org.apache.lucene.core",
        "--module-path",
        str(build / "lib"),
        "--add-modules=ALL-MODULE-PATH",
        "-cp",
        str(build / "launcher.jar"),
    )
    settings = {
        "http.port": str(ports.elasticsearch),
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
    }
    url = _url(ports.elasticsearch)
    return Server(
        ELASTICSEARCH,
        (
            str(java_home / "bin" / "java"),
            *jvm,
            "bentoobserve.Launcher",
            str(build),
            str(config),
            *(f"{key}={value}" for key, value in settings.items()),
        ),
        _environment(),
        url,
        f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s",
        lambda: str(_http.get_json(f"{url}/", timeout=_VERSION_TIMEOUT_S)["version"]["number"]),
    )


def _jaeger(build: Path, config: Path, data: Path, ports: Ports) -> Server:
    program = build / JAEGER
    addresses = {
        "JAEGER_HTTP": _address(ports.jaeger),
        "JAEGER_GRPC": _address(ports.jaeger_grpc),
        "JAEGER_OTLP": _address(ports.jaeger_otlp),
        "JAEGER_HEALTH": _address(ports.jaeger_health),
        "JAEGER_DATA": str(data / "jaeger"),
    }
    return Server(
        JAEGER,
        (str(program), "--config", str(config / "config.yaml")),
        _environment(addresses),
        _url(ports.jaeger),
        f"{_url(ports.jaeger_health)}/status",
        lambda: str(json.loads(_output([str(program), "version"]))["gitVersion"]).lstrip("v"),
    )


def _prometheus(build: Path, config: Path, data: Path, ports: Ports) -> Server:
    url = _url(ports.prometheus)
    return Server(
        PROMETHEUS,
        (
            str(build / PROMETHEUS),
            f"--config.file={config / 'prometheus.yaml'}",
            f"--storage.tsdb.path={data / 'prometheus'}",
            "--storage.tsdb.retention.time=15d",
            f"--web.listen-address={_address(ports.prometheus)}",
            "--web.enable-otlp-receiver",
            "--enable-feature=exemplar-storage",
        ),
        _environment(),
        url,
        f"{url}/-/ready",
        lambda: str(_http.get_json(f"{url}/api/v1/status/buildinfo", timeout=_VERSION_TIMEOUT_S)["data"]["version"]),
    )


def _otelcol(build: Path, config: Path, data: Path, ports: Ports) -> Server:
    program = build / COLLECTOR
    addresses = {
        "OTELCOL_OTLP_GRPC": _address(ports.otlp_grpc),
        "OTELCOL_OTLP_HTTP": _address(ports.otlp_http),
        "OTELCOL_HEALTH": _address(ports.otelcol_health),
        "OTELCOL_STORAGE": str(data / COLLECTOR),
        "JAEGER_OTLP": _address(ports.jaeger_otlp),
        "PROMETHEUS_URL": _url(ports.prometheus),
        "ELASTICSEARCH_URL": _url(ports.elasticsearch),
        # Our node has no users: none of another Elasticsearch is told to it.
        "ELASTICSEARCH_USER": "",
        "ELASTICSEARCH_PASSWORD": "",
        "HOST_NAME": platform.node(),
    }
    return Server(
        COLLECTOR,
        (str(program), "--config", str(config / "config.yaml")),
        _environment(addresses),
        _url(ports.otlp_http),
        _url(ports.otelcol_health),
        lambda: _version(_output([str(program), "--version"])),
    )


def _environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    # OTEL_* is meant for the observed service; the servers' own telemetry would follow it.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {**inherited, **(extra or {})}


def _address(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def _output(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(f"{argv[0]} does not tell its version: {error}") from error


def _version(text: str) -> str:
    match = re.search(r"\d+\.\d+\.\d+\S*", text)
    return match[0] if match else text.strip()
