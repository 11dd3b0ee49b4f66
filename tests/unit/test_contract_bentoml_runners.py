"""What `bento_observe.runners` needs of BentoML's private parts: each seam is there, and of the expected shape."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import aiohttp
import anyio
import bentoml
import pytest
from bentoml._internal.marshal.dispatcher import CorkDispatcher, Job
from bentoml._internal.runner.runnable import RunnableMethod
from bentoml._internal.runner.runner import Runner
from bentoml._internal.runner.runner_handle.local import LocalRunnerRef
from bentoml._internal.runner.runner_handle.remote import RemoteRunnerClient
from bentoml._internal.runner.utils import Params
from bentoml._internal.server import http_app, runner_app
from bentoml._internal.service.inference_api import InferenceAPI
from bentoml._internal.service.service import Service
from bentoml.io import JSON, File, Image, Multipart, NumpyNdarray, PandasDataFrame, PandasSeries, Text


class Model(bentoml.legacy.Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @bentoml.legacy.Runnable.method
    def same(self, number: int) -> int:
        return number


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_a_runner_sets_its_handle_in_one_place() -> None:
    """`init_client` and `init_local` both go through `_set_handle`, with these classes."""
    assert parameters(Runner._set_handle)[:2] == ["self", "handle_class"]
    runner = bentoml.legacy.Runner(Model, name="seam")
    given: list[Any] = []

    class Watching(type(runner)):  # type: ignore[misc]
        def _set_handle(self, handle_class: Any, *args: Any, **kwargs: Any) -> None:
            given.append(handle_class)

    object.__setattr__(runner, "__class__", Watching)
    runner.init_local(quiet=True)
    runner.init_client()
    assert given == [LocalRunnerRef, RemoteRunnerClient]


def test_a_local_handle_takes_its_methods_from_an_attribute() -> None:
    """`_runnable`, by name, for each call."""
    runner = bentoml.legacy.Runner(Model, name="seam")
    runner.init_local(quiet=True)
    handle = runner._runner_handle

    class Doubled:
        def same(self, number: int) -> int:
            return 2 * number

    handle._runnable = Doubled()
    assert runner.same.run(3) == 6
    assert isinstance(Model.bentoml_runnable_methods__["same"], RunnableMethod)
    assert parameters(Model.bentoml_runnable_methods__["same"].func) == ["self", "number"]
    assert Model.bentoml_runnable_methods__["same"].config.batchable is False


@pytest.mark.parametrize("handle", [LocalRunnerRef, RemoteRunnerClient])
@pytest.mark.parametrize("name", ["run_method", "async_run_method", "async_stream_method"])
def test_a_handle_takes_the_method_first(handle: Any, name: str) -> None:
    """Then its arguments; `run` of a remote one goes through `async_run`."""
    assert [one.kind.name for one in inspect.signature(getattr(handle, name)).parameters.values()] == [
        "POSITIONAL_OR_KEYWORD", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL", "VAR_KEYWORD",
    ]  # fmt: skip
    assert "self.async_run_method" in inspect.getsource(RemoteRunnerClient.run_method)


def test_a_remote_handle_has_its_session_in_a_property() -> None:
    """Whose tracing can be replaced once it is made."""
    assert isinstance(RemoteRunnerClient._client, property)
    assert isinstance(RemoteRunnerClient._remote_runner_server_map, property)  # url by runner

    async def replace() -> list[Any]:
        async with aiohttp.ClientSession(trace_configs=[aiohttp.TraceConfig()]) as session:
            ours = aiohttp.TraceConfig()
            session.trace_configs[:] = [ours]
            return [one is ours for one in session._trace_configs]

    assert anyio.run(replace) == [True]


def test_the_applications_have_middlewares_and_dispatchers() -> None:
    """And the runner's application is made by calling its factory, which knows the runner."""
    assert isinstance(http_app.HTTPAppFactory.middlewares, property)
    assert isinstance(runner_app.RunnerAppFactory.middlewares, property)
    assert parameters(runner_app.RunnerAppFactory.__call__) == ["self"]
    source = inspect.getsource(runner_app.RunnerAppFactory)
    assert "self.runner = runner" in source
    assert "self.dispatchers[method.name] = CorkDispatcher(" in source
    assert isinstance(Service.asgi_app, property)
    main = inspect.getsource(__import__("bentoml_cli.worker.runner", fromlist=["main"]).main.callback)
    assert main.index('service_type = "runner"') < main.index("= load(") < main.index("factory = RunnerAppFactory(")


def test_a_dispatcher_has_the_seams_of_a_batch() -> None:
    """Where a request joins, where a batch runs, where one is split; what a job knows."""
    assert parameters(CorkDispatcher.inbound_call) == ["self", "data"]
    assert parameters(CorkDispatcher.outbound_call) == ["self", "inputs_info", "training"]
    assert parameters(CorkDispatcher.split_job) == ["self", "job", "split_indexes"]
    assert {"enqueue_time", "data", "future"} <= {one.name for one in Job.__attrs_attrs__}
    params: Any = Params(1)
    params.noted = True  # what is noted on it stays with it


def test_an_api_takes_replaced_descriptors_and_function() -> None:
    """Copies of descriptors, with one method replaced, are as good as they."""
    service = bentoml.legacy.Service("seams")

    @service.api(input=Text(), output=Text())
    def echo(text: str) -> str:
        return text

    api = service.apis["echo"]
    assert isinstance(api, InferenceAPI)
    assert {"func", "input", "output", "name", "route", "multi_input", "ctx_param"} <= vars(api).keys()
    for descriptor in (
        NumpyNdarray(shape=(-1, 2)), PandasDataFrame(), PandasSeries(), JSON(), Text(), File(), Image(),
        Multipart(one=Text()),
    ):  # fmt: skip
        copied = copy.copy(descriptor)
        copied.from_http_request = copied.to_http_response = None
        assert copied.to_spec() == descriptor.to_spec()
        assert (repr(copied), copied.mime_type) == (repr(descriptor), descriptor.mime_type)
    assert NumpyNdarray(shape=(-1, 2))._shape == (-1, 2)
    assert list(Multipart(one=Text())._inputs) == ["one"]
