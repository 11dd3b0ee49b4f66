"""A bento built from `[tool.bentoml.build]` and served with observability on; `test_example.py` has bentofile.yaml."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from received import SERVER
from server import BentoServer
from sink import Sink
from traffic import Request, send_all

PROJECT = Path(__file__).parent / "packaged"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the built bento."""
    directory = tmp_path_factory.mktemp("packaged")
    project = shutil.copytree(PROJECT, directory / "project", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(directory / "home")}
    # Without uv on PATH, `bentoml build` would install it.
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    if shutil.which("uv", path=environment["PATH"]) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("bentoml build needs uv on PATH: pip install uv")
    command = [str(BIN / "bentoml"), "build", "--version", "v1"]
    built = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return directory / "home" / "bentos" / "scoring" / "v1"


def test_the_bento_brings_the_plugin_and_its_environment_to_the_image(bento: Path) -> None:
    """The package among its requirements, the variable in its Dockerfile; nothing was locked, hence nothing fetched."""
    assert "bento-observe" in (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    assert not (bento / "env" / "python" / "requirements.lock.txt").exists()
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert "ENV OTEL_EXPORTER_OTLP_ENDPOINT=" in dockerfile
    assert "http://collector:4317" in dockerfile
    assert yaml.safe_load((bento / "bento.yaml").read_text())["service"] == "scoring:Scoring"


def test_the_bento_is_served_and_observed(bento: Path) -> None:
    """Spans, metrics and logs that tell its name and version; `envs` of the file do not apply, the environment's do."""
    with Sink() as sink:
        with BentoServer(str(bento), sink.environment(), name="Scoring", workers=1) as server:
            answers = send_all(server.port, [Request("score", "/score", b'{"income": 1500}')] * 20)
            server.stop()
        assert [answer.json() for answer in answers] == [1.5] * 20
        spans = sink.spans(kind=SERVER)
        assert len(spans) == 20
        names = ("service.name", "service.namespace", "service.version")
        assert {tuple(span.resource[name] for name in names) for span in spans} == {("Scoring", "scoring", "v1")}
        assert sink.count("http.server.request.duration") == 20
        assert sink.count("ml.feature.value", ml__signal="prediction") == 20
        assert len(sink.logs(scope="bentoml.access")) == 20
