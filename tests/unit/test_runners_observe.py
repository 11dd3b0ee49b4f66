"""`observe_runner`, and `observe` of a legacy service: what they accept, what they refuse and how they say so."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import bentoml
import pytest
from bentoml import server_context
from bentoml._internal.server.runner_app import RunnerAppFactory

from bento_observe import observe, observe_runner, semconv
from bento_observe.request import BatchSpan
from bento_observe.runners import _apps


class Model(bentoml.legacy.Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @bentoml.legacy.Runnable.method
    def double(self, number: int) -> int:
        return 2 * number


@pytest.fixture(autouse=True)
def _enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)


def make_runner(name: str = "one") -> Any:
    return bentoml.legacy.Runner(Model, name=name)


def test_the_same_runner_comes_back_and_works() -> None:
    """In a script that nothing observes it is what it was."""
    runner = make_runner()
    assert observe_runner(runner) is runner
    assert isinstance(runner, bentoml.legacy.Runner)
    runner.init_local(quiet=True)
    assert runner.double.run(3) == runner.run(3) == 6


def test_other_runners_are_not_observed_with_it() -> None:
    """Neither those of the same runnable nor BentoML's class."""
    one, other = make_runner("one"), make_runner("other")
    observe_runner(one)
    assert type(other)._set_handle is not type(one)._set_handle
    assert type(other).__name__ == "Runner"


def test_the_same_legacy_service_comes_back_with_its_runners_observed() -> None:
    """Those that are observed already keep what they were given."""
    mine, plain = observe_runner(make_runner("mine"), slice_values=3), make_runner("plain")
    service = bentoml.legacy.Service("shop", runners=[mine, plain])
    assert observe(service) is service
    assert isinstance(service, bentoml.legacy.Service)
    assert vars(mine)["__bento_observe_options__"].slice_values == 3
    with pytest.raises(TypeError, match="plain is observed already"):
        observe_runner(plain)


def test_what_is_wrong_is_said() -> None:
    """Twice, no runner, a runnable, a service's arguments."""
    runner = observe_runner(make_runner())
    service = observe(bentoml.legacy.Service("shop", runners=[runner]))
    with pytest.raises(TypeError, match=r"^observe_runner: one is observed already; apply it once$"):
        observe_runner(runner)
    with pytest.raises(TypeError, match=r"^observe: shop is observed already; apply it once$"):
        observe(service)
    with pytest.raises(TypeError, match=r"^observe_runner: .*Model.* is not a runner; give what bentoml.legacy.Runner"):
        observe_runner(Model)
    with pytest.raises(TypeError, match=r"^observe_runner: .*shop.* is not a runner"):
        observe_runner(service)
    with pytest.raises(ValueError, match="slice_values=0"):
        observe_runner(make_runner(), slice_values=0)


def test_disabled_it_is_left_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """As services are."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    runner, service = make_runner(), bentoml.legacy.Service("shop")
    kinds = type(runner), type(service)
    assert (type(observe_runner(runner)), type(observe(service))) == kinds


def test_runner_service_makes_a_service_that_can_be_observed() -> None:
    """Of an observed runner as of any other. (BentoML 1.4.39 cannot serve it, observed or not.)"""
    service = bentoml.runner_service(observe_runner(make_runner()))
    assert observe(service) is service
    assert list(service.apis) == ["double"]


def test_who_has_no_runners_imports_nothing_of_them() -> None:
    """Neither by importing the package nor by observing a service."""
    script = """
import sys
import bentoml
from bento_observe import observe

@observe
@bentoml.service
class Plain:
    @bentoml.api
    def one(self) -> int:
        return 1

print([name for name in sys.modules if name.startswith("bento_observe.runners")])
"""
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(("worker", "lines"), [(1, 1), (2, 0)])
def test_a_service_that_is_served_over_grpc_says_that_it_is_not_observed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, worker: int, lines: int
) -> None:
    """In one line, by one of the workers. `bentoml serve-grpc` itself does not start with protobuf 7."""
    monkeypatch.setattr(server_context, "service_type", "grpc_api_server")
    monkeypatch.setattr(server_context, "worker_index", worker)
    observe(bentoml.legacy.Service("over_grpc", runners=[make_runner()]))
    assert [record.getMessage() for record in caplog.records].count(
        "bento_observe: over_grpc is served over gRPC, which is not observed; its runners are"
    ) == lines


@pytest.mark.parametrize("kind", ["runner", "service"])
def test_where_telemetry_does_not_start_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Nobody would take it: the application is BentoML's, and what a dispatcher still adds is let go."""
    made: list[Any] = []

    def start(worker: Any) -> None:
        made.append(worker)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_apps.Worker, "start", start)
    monkeypatch.setattr(RunnerAppFactory, "__call__", RunnerAppFactory.__call__)  # put back after the test
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    if kind == "runner":
        runner = observe_runner(make_runner())
        _apps.observe_runner_process()
        assert RunnerAppFactory(runner)() is not None
    else:
        service: Any = observe(bentoml.legacy.Service("shop"))
        assert service.asgi_app is not None

    assert any("served unobserved" in record.getMessage() for record in caplog.records)
    (worker,) = made
    worker.source.add(BatchSpan("double", [], 1, 0))
    worker.source.give_up()
    assert worker.telemetry.health.total(semconv.DROPPED) == 0
