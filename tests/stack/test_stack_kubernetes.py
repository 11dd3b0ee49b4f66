"""The Collectors of `deploy/kubernetes` on this machine: the configurations of agent and gateway, as they stand there
but for addresses, in the real Collector; not in a cluster, and without the Operator."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ports import free_port
from received import SERVER
from second_collector import running_collector
from server import BentoServer
from sink import Sink
from traffic import PREDICT, send_all

pytestmark = pytest.mark.stack

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"


def _written(name: str, directory: Path, replaced: dict[str, str]) -> Path:
    """The configuration in a manifest, with other addresses and directories, each of which must stand in it."""
    resource: dict[str, Any] = yaml.safe_load((KUBERNETES / f"{name}.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(resource["spec"]["config"])
    for old, new in replaced.items():
        assert old in text, (name, old)
        text = text.replace(old, new)
    path = directory / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "env"),
    [("agent", ["HOST_NAME"]), ("gateway", ["JAEGER_OTLP", "PROMETHEUS_URL", "ELASTICSEARCH_URL"])],
)
def test_the_collector_takes_the_configuration(otelcol: Path, tmp_path: Path, name: str, env: list[str]) -> None:
    """`otelcol validate`, which knows every component's settings; a setting that there is none of is refused."""
    values = dict.fromkeys(env, "http://127.0.0.1:1")
    root = {"/hostfs": "/"} if name == "agent" else {}
    for wrong, status in (({}, 0), ({"num_consumers": "number_of_consumers"}, 1)):
        config = _written(name, tmp_path, {**root, **wrong})
        command = [str(otelcol), "validate", "--config", str(config)]
        result = subprocess.run(command, env={**os.environ, **values}, capture_output=True, text=True)
        assert result.returncode == status, result.stderr


def test_what_a_bento_sends_to_the_agent_comes_out_of_the_gateway(otelcol: Path, tmp_path: Path) -> None:
    """Traces for Jaeger and metrics for Prometheus, all of them; the node's own metrics beside."""
    agent, gateway, agent_health, gateway_health, http = (free_port() for _ in range(5))
    for name in ("agent", "gateway"):
        (tmp_path / name).mkdir()
    with Sink() as sink:
        gateway_config = _written(
            "gateway",
            tmp_path,
            {
                "0.0.0.0:4317": f"127.0.0.1:{gateway}",
                "0.0.0.0:4318": f"127.0.0.1:{free_port()}",
                "0.0.0.0:13133": f"127.0.0.1:{gateway_health}",
                "/data": str(tmp_path / "gateway"),
            },
        )
        agent_config = _written(
            "agent",
            tmp_path,
            {
                "0.0.0.0:4317": f"127.0.0.1:{agent}",
                "0.0.0.0:4318": f"127.0.0.1:{http}",
                "127.0.0.1:4318": f"127.0.0.1:{http}",
                "0.0.0.0:13133": f"127.0.0.1:{agent_health}",
                "gateway-collector-headless:4317": f"localhost:{gateway}",
                "/hostfs": "/",
                "/data": str(tmp_path / "agent"),
                "collection_interval: 15s": "collection_interval: 1s",
            },
        )
        backends = {
            "JAEGER_OTLP": f"localhost:{sink.grpc_port}",
            "PROMETHEUS_URL": sink.http_url,
            "ELASTICSEARCH_URL": f"http://localhost:{free_port()}",
        }
        with (
            running_collector(otelcol, [gateway_config], gateway_health, backends),
            running_collector(otelcol, [agent_config], agent_health, {"HOST_NAME": "node-7"}),
        ):
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{agent}"}
            with BentoServer("simple:Simple", env) as server:
                send_all(server.port, [PREDICT] * 50)
                server.stop()
            sink.wait(lambda: len(sink.spans(kind=SERVER)) >= 50, 30)
            sink.wait(lambda: sink.count("http.server.request.duration") >= 50, 30)
            sink.wait(lambda: sink.points(metric="system.cpu.time"), 30)
        assert len({span.span_id for span in sink.spans(kind=SERVER)}) == 50
        assert sink.count("http.server.request.duration") == 50
        (host,) = {point.resource["host.name"] for point in sink.points(metric="system.cpu.time")}
        assert host == "node-7"
