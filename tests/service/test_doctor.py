"""`bento-observe doctor`, run: what it says of endpoints, settings, and services, and its exit status."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pandas as pd
import pytest
from certificates import make_certificates
from ports import black_hole, free_port
from server import SERVICES, BentoServer
from sink import Sink, Tls
from standin import Quiet, serving

from bento_observe import Reference

DOCTOR = (str(Path(sys.executable).parent / "bento-observe"), "doctor")
ROOT = Path(__file__).parents[2]


def _doctor(
    *arguments: str, directory: Path = SERVICES, **environment: str
) -> tuple[int, dict[str, list[str]], list[str]]:
    """Exit status; lines by level, without it; all lines."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "BENTO", "TEST_"))}
    kept.update(PYTHONPATH=str(ROOT), TEST_OBSERVED="0", BENTOML_HOME=str(directory / "home"))
    result = subprocess.run(
        [*DOCTOR, *arguments], env={**kept, **environment}, cwd=directory, capture_output=True, text=True, timeout=60
    )
    lines = result.stdout.splitlines()
    levels: dict[str, list[str]] = {"ok": [], "warning": [], "problem": []}
    for line in lines[:-1]:
        level, _, rest = line.partition(" ")
        levels[level].append(rest.strip())
    assert lines, result.stderr
    return result.returncode, levels, lines


def test_all_is_well_with_an_endpoint_that_answers() -> None:
    """Over gRPC and over HTTP: one line a signal, an empty export that really arrived, exit status 0."""
    for protocol in ("grpc", "http/protobuf"):
        with Sink() as sink:
            status, found, lines = _doctor(**sink.environment(protocol))
            assert sorted(export.signal for export in sink.exports) == ["logs", "metrics", "traces"]
            assert [export.body for export in sink.exports] == [b"", b"", b""]
        assert (status, found["problem"]) == (0, [])
        for signal in ("traces", "metrics", "logs"):
            assert len([line for line in found["ok"] if re.match(rf"{signal}: .* takes an empty export$", line)]) == 1
        subjects = {line.partition(":")[0] for line in found["ok"]}
        assert {"Python", "BentoML", "dependencies", "BentoML's insides", "settings", "BENTOML_HOME"} <= subjects
        assert re.fullmatch(r"0 problems, \d+ warnings", lines[-1])


def test_an_endpoint_that_does_not_take_exports_is_a_problem(tmp_path: Path) -> None:
    """Nobody there, a refusal, no answer, an authority that is not trusted, and the other protocol's port."""
    made = make_certificates(tmp_path)
    with Sink() as sink, Sink(Tls(made.server, made.server_key)) as encrypted, black_hole() as hole:
        sink.behaviour = "reject"
        cases = {
            "unavailable": {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{free_port()}"},
            "invalid_argument": sink.environment(),
            "http_400": sink.environment("http/protobuf"),
            "timeout": {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hole}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            },
            "tls: .*; set OTEL_EXPORTER_OTLP_CERTIFICATE": encrypted.environment("http/protobuf"),
        }
        for reason, environment in cases.items():
            status, found, _ = _doctor(**environment)
            assert status == 1
            problems = found["problem"]
            assert len(problems) == 3
            assert all(re.search(rf"does not take an empty export: {reason}.*", line) for line in problems), problems
            assert all("; " in line for line in problems)


def test_signals_that_are_not_sent_are_no_problem() -> None:
    """And a disabled SDK is a warning."""
    status, found, _ = _doctor(OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="console", OTEL_LOGS_EXPORTER="none")
    assert (status, found["problem"]) == (0, [])
    status, found, _ = _doctor(OTEL_SDK_DISABLED="true")
    assert (status, found["problem"]) == (0, [])
    assert "OTEL_SDK_DISABLED: is true: nothing is observed; unset it" in found["warning"]


def test_bad_settings_are_problems_with_their_remedies(tmp_path: Path) -> None:
    """As the supervisor tells them; a configuration file that BentoML refuses or does not heed, too."""
    with Sink() as sink:
        config = tmp_path / "bentoml.yaml"
        config.write_text("version: 2\nservices: {}\n")
        environment = {**sink.environment(), "OTEL_TRACES_SAMPLER": "sometimes", "BENTOML_CONFIG": str(config)}
        status, found, _ = _doctor(**environment)
        assert status == 1
        assert any(
            re.match(r"setting: OTEL_TRACES_SAMPLER='sometimes' is not .*; .* is used", line)
            for line in found["problem"]
        )
        assert any("version: 2, which the command bentoml refuses; leave" in line for line in found["problem"])
        config.write_text("monitoring: {enabled: true, type: default}\n")
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
        _, found, _ = _doctor(**environment)
        assert any("counts for legacy services only; put it under services:" in line for line in found["warning"])
        assert any(line.startswith("PROMETHEUS_MULTIPROC_DIR: is set") for line in found["warning"])


def test_a_home_that_a_running_server_has_is_told() -> None:
    """Its /metrics would be emptied by the next server."""
    with Sink() as sink, BentoServer("untouched:Scorer", sink.environment(), observed=False) as server:
        home = server.home
        _, found, _ = _doctor(**{**sink.environment(), "BENTOML_HOME": home})
        (line,) = [line for line in found["warning"] if line.startswith("BENTOML_HOME")]
        assert str(server.workers[0]) in line
        _, found, _ = _doctor(**sink.environment())
        assert not [line for line in found["warning"] if line.startswith("BENTOML_HOME")]


SERVICE = """
import bentoml, numpy as np
from bento_observe import observe
CONNECTION = {connection}

@bentoml.service(**CONNECTION)
class Inner:
    @bentoml.api
    def score(self, income: float) -> float:
        return income

@observe(reference={reference!r})
@bentoml.service
class Outer:
    inner = bentoml.depends(Inner)
    @bentoml.api
    def decide(self, income: float) -> float:
        return income
"""


def _project(directory: Path, connection: str = "{}", reference: str | None = None) -> Path:
    (directory / "project.py").write_text(SERVICE.format(connection=connection, reference=reference))
    return directory


@pytest.mark.parametrize(
    ("connection", "kept"),
    [
        ("{}", False),
        ("{'runner_connection': {'max_requests': 10**9}}", False),
        ("{'runner_connection': {'max_requests': 10**9, 'max_age': 1e9}}", True),
    ],
)
def test_a_dependency_whose_connection_is_renewed_is_a_warning(tmp_path: Path, connection: str, kept: bool) -> None:
    """With the options that avoid it, both of them, and the service to which they belong."""
    directory = _project(tmp_path, connection)
    with Sink() as sink:
        status, found, _ = _doctor("project:Outer", directory=directory, **sink.environment())
    assert status == 0
    assert "Outer: is observed" in found["ok"]
    assert any(line.startswith("Inner: is not observed; ") for line in found["warning"])
    warned = [line for line in found["warning"] if line.startswith("Outer.inner")]
    assert len(warned) == (0 if kept else 1)
    if warned:
        assert warned[0].endswith(
            '@bentoml.service(runner_connection={"max_requests": 10**9, "max_age": 1e9}) at Inner'
        )


def test_references_are_read_and_compared_with_what_the_apis_take(tmp_path: Path) -> None:
    """One that fits, one that cannot be read, one of other data, and one that the environment names."""
    frame = pd.DataFrame({"income": range(200)})
    Reference.from_frame(frame).save(tmp_path / "good.json")
    Reference.from_frame(frame.rename(columns={"income": "age"})).save(tmp_path / "other.json")
    (tmp_path / "broken.json").write_text("{")
    with Sink() as sink:
        environment = sink.environment()
        status, found, _ = _doctor("project:Outer", directory=_project(tmp_path, reference="good.json"), **environment)
        assert status == 0
        assert any(line.startswith("Outer: has <Reference sha256:") for line in found["ok"])
        assert any(line.startswith("Inner: has no reference") for line in found["ok"])
        for name, text in (
            ("broken.json", "Outer: reference='broken.json'"),
            ("missing.json", "Outer: reference='missing.json'"),
            ("other.json", "decide takes 'income', the reference has 'age'"),
        ):
            status, found, _ = _doctor("project:Outer", directory=_project(tmp_path, reference=name), **environment)
            assert status == 1
            (line,) = [line for line in found["problem"] if text in line]
            assert "; " in line
        directory = _project(tmp_path)
        status, found, _ = _doctor(
            "project:Outer", directory=directory, **environment, BENTO_OBSERVE_REFERENCE="other.json"
        )
        assert status == 1
        assert len([line for line in found["problem"] if "the reference has 'age'" in line]) == 2


def test_a_service_that_cannot_be_loaded_is_a_problem(tmp_path: Path) -> None:
    """In one line, whatever its module does."""
    with Sink() as sink:
        for source, reason in (
            ("raise RuntimeError('no\\nmodel today')", "no model today"),
            ("raise SystemExit(3)", "3"),
            ("import no_such_library", "No module named 'no_such_library'"),
        ):
            (tmp_path / "broken.py").write_text(source)
            status, found, _ = _doctor("broken:Service", directory=tmp_path, **sink.environment())
            assert status == 1
            (line,) = found["problem"]
            assert line.startswith("broken:Service: cannot be loaded: ")
            assert reason in line


class _Elsewhere(Quiet, BaseHTTPRequestHandler):
    """A server that is no Elasticsearch."""

    def do_POST(self) -> None:
        self.send_error(404)


def test_where_predictions_are_kept_is_asked_for_one() -> None:
    """Nobody there, and a server of something else; where ids are tokens there is no line.

    That all is well tests/stack/test_stack_predictions.py says, of the real one.
    """
    with Sink() as sink, serving(_Elsewhere) as elsewhere:
        kept = {**sink.environment(), "BENTO_OBSERVE_PREDICTIONS": "elasticsearch"}
        nobody = f"http://127.0.0.1:{free_port()}"
        for url, said in ((nobody, "it cannot be reached"), (elsewhere, "it answers 404")):
            status, found, _ = _doctor(**kept, BENTO_OBSERVE_PREDICTIONS_URL=url)
            assert status == 1
            (line,) = found["problem"]
            assert line.startswith(f"predictions: {url}, predictions-bentoml.otel-* cannot be asked for any: {said}")
            assert line.endswith("; start Elasticsearch there, or set BENTO_OBSERVE_PREDICTIONS_URL")
        assert not [line for line in _doctor(**sink.environment())[2] if "predictions:" in line]
