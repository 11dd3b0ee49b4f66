"""What `bento-observe run` relies on in BentoML and in OpenTelemetry's instrumentations."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from _bentoml_impl.client.proxy2 import SessionManager
from _bentoml_sdk.service.factory import Service
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from bento_observe._auto import _is_first

BOOTSTRAP = Path(__file__).parents[2] / "bento_observe" / "_bootstrap"


def test_the_modules_waited_for_are_there_and_workers_are_run_as_a_module() -> None:
    """`python -m _bentoml_impl.worker.service` imports the loader before it loads the user's code."""
    for name in ("_bentoml_sdk.service.factory", "_bentoml_impl.loader", "_bentoml_impl.client.proxy2"):
        importlib.import_module(name)
    serving = inspect.getsource(importlib.import_module("_bentoml_impl.server.serving"))
    assert '"_bentoml_impl.worker.service"' in serving
    assert '"--worker-id"' in serving
    worker = inspect.getsource(importlib.import_module("_bentoml_impl.worker.service"))
    assert worker.index("from _bentoml_impl.loader import load") < worker.index("service = load(")


def test_a_service_makes_its_application_by_to_asgi() -> None:
    """A method of the class, which takes `is_main`."""
    assert list(inspect.signature(Service.to_asgi).parameters) == ["self", "is_main"]


def test_calls_to_dependencies_go_through_a_session_that_can_be_left_alone() -> None:
    """A method that makes it, and a session's mark of its instrumentation."""
    assert inspect.signature(SessionManager._make_client).return_annotation == "aiohttp.ClientSession"
    assert list(inspect.signature(AioHttpClientInstrumentor.uninstrument_session).parameters) == ["client_session"]
    assert hasattr(aiohttp, "TraceConfig")


def test_instrumentations_are_switched_on_as_opentelemetry_does() -> None:
    """`instrument(skip_dep_check=True)` after a look at the distribution's own requirements."""
    assert "skip_dep_check" in inspect.getsource(BaseInstrumentor.instrument)
    assert get_dist_dependency_conflicts(importlib.metadata.distribution("opentelemetry-instrumentation-httpx")) is None


@pytest.mark.parametrize(
    ("arguments", "first"), [("a b", True), ("--worker-id 1", True), ("--worker-id 2 x", False), ("--worker-id", False)]
)
def test_one_worker_tells_for_all(arguments: str, first: bool) -> None:
    """The first one of each service, by BentoML's option."""
    assert _is_first(arguments.split()) is first


def test_a_python_process_that_is_not_bentomls_imports_nothing_for_it() -> None:
    """Under `run` every Python starts with the hook: pip, compilers, whatever the command starts."""
    code = "import sys; print(sorted(name for name in sys.modules if name.startswith('bento')), len(sys.modules))"

    def run(**environment: str) -> list[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    names, count = run(PYTHONPATH=str(BOOTSTRAP))
    assert names == "[]"
    assert int(count) - int(run()[1]) < 20


def test_an_interpreter_without_the_package_says_so_in_one_line(tmp_path: Path) -> None:
    """BentoML of another environment: its services are served, and it is told why unobserved."""
    package = tmp_path / "_bentoml_impl"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "loader.py").write_text("LOADED = True\n")
    command = [sys.executable, "-S", "-c", "import sitecustomize, _bentoml_impl.loader as l; print(l.LOADED)"]
    environment = {"PYTHONPATH": f"{BOOTSTRAP}:{tmp_path}"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert result.stdout == "True\n"
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"bento-observe run: {sys.executable} serves without it (instrument_clients: ModuleNotFound")
