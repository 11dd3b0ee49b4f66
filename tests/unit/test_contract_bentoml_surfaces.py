"""The private parts that streams, tasks, mounts, web sockets and files rely on: there, and of the expected shape.

Each has a fall-back that leaves the service served; what fails here says which part of the telemetry is gone.
"""

from __future__ import annotations

import inspect

import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_impl.tasks import Sqlite3Store
from _bentoml_impl.tasks.serde import JSONSerde
from _bentoml_sdk.io_models import IODescriptor, IORootModel
from bentoml._internal.server.http.access import AccessLogMiddleware
from opentelemetry import metrics, trace
from PIL import Image
from starlette.requests import Request
from starlette.routing import Mount, compile_path


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("create_instance", ["self", "app"]),
        ("submit_task", ["self", "name", "request"]),
        ("_run_task", ["self", "task_id", "name", "request"]),
        ("get_status", ["self", "request"]),
        ("get_result", ["self", "request"]),
        ("retry_task", ["self", "request"]),
        ("cancel_task", ["self", "request"]),
    ],
)
def test_the_routes_of_tasks_are_methods_of_the_factory(name: str, parameters: list[str]) -> None:
    """Which `ObservedTasks` overrides."""
    method = getattr(ServiceAppFactory, name)
    assert inspect.iscoroutinefunction(method)
    assert list(inspect.signature(method).parameters) == parameters


def test_the_task_id_is_the_first_argument_of_the_background_task() -> None:
    """The answer has it too, but as JSON."""
    source = inspect.getsource(ServiceAppFactory.submit_task)
    assert "BackgroundTask(self._run_task, task_id, name, request)" in source


def test_the_result_store_has_a_serializer_of_its_own() -> None:
    """Of which `ObservedSerde` stands for the four methods; it keeps the headers of a request."""
    assert "self._result_store = Sqlite3Store(" in inspect.getsource(ServiceAppFactory.create_instance)
    assert "self.serializer = serializer" in inspect.getsource(Sqlite3Store.__init__)
    for name in ("serialize_request", "deserialize_request", "serialize_response", "deserialize_response"):
        assert inspect.iscoroutinefunction(getattr(JSONSerde, name))
    scope = {"type": "http", "headers": [(b"a", b"b")]}
    assert JSONSerde().get_scope(scope) == scope


def test_a_request_that_was_read_may_be_copied_with_its_body() -> None:
    """BentoML does so itself when it reads one from its store."""
    assert "request._body = " in inspect.getsource(JSONSerde.deserialize_request)
    assert "_body" in inspect.getsource(Request.body)


def test_connections_are_told_by_the_access_log_middleware() -> None:
    assert "Client connected" in inspect.getsource(AccessLogMiddleware.__call__)


def test_file_parameters_are_known_from_the_specification() -> None:
    async def takes(image: Image.Image, number: int) -> None: ...

    assert IODescriptor.from_input(takes).multipart_fields == ["image"]
    assert "root" in IORootModel.model_fields


def test_mounts_have_paths_that_compile() -> None:
    mount = Mount("/tenants/{tenant}", routes=[])
    assert (mount.path, mount.routes) == ("/tenants/{tenant}", [])
    assert compile_path("/tenants/{tenant}")[0].fullmatch("/tenants/acme")


def test_a_global_provider_can_be_set_again_when_its_guard_is_new() -> None:
    """OpenTelemetry's own tests do the same."""
    assert type(trace._TRACER_PROVIDER_SET_ONCE).__name__ == "Once"
    assert type(metrics._internal._METER_PROVIDER_SET_ONCE).__name__ == "Once"
    type(trace._TRACER_PROVIDER_SET_ONCE)()
