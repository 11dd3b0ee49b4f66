"""What calls of other services rely on in BentoML's clients. If one of these fails, look at
`bento_observe/dependencies.py`."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import bentoml
import pytest
from _bentoml_impl.client.http import AsyncHTTPClient, SyncHTTPClient
from _bentoml_impl.client.proxy2 import AsyncClient, RemoteProxy
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml.exceptions import BentoMLException

from bento_observe.dependencies import observe_clients, restore_clients
from bento_observe.telemetry import Health

CLIENTS = [AsyncClient, AsyncHTTPClient, SyncHTTPClient]
METHODS = ["_call", "_submit", "_get_stream", "_parse_response", "_parse_stream_response", "_parse_file_response"]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    restore_clients()


def observe() -> None:
    observe_clients(lambda _call: None, lambda _trace_id, _parent: True, Health())


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", METHODS)
def test_a_client_has_the_methods_that_are_replaced(client: Any, name: str) -> None:
    """Of its own; they take the endpoint first, and parsers the response."""
    parameters = list(inspect.signature(vars(client)[name]).parameters)
    assert parameters[1].endswith("endpoint")
    if name.startswith("_parse"):
        assert parameters[2:] == ["resp"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_calls_in_the_kinds_of_functions_that_are_wrapped(client: Any) -> None:
    """Coroutines and async generators, or functions and generators; a stream is a `_call` that is iterated."""
    asynchronous = client is not SyncHTTPClient
    assert inspect.iscoroutinefunction(client._call) == inspect.iscoroutinefunction(client._submit) == asynchronous
    assert inspect.isasyncgenfunction(client._get_stream) == asynchronous
    assert inspect.isgeneratorfunction(client._get_stream) != asynchronous
    assert "self._call(" in inspect.getsource(client._get_stream)


def test_a_client_says_where_it_goes_and_what_it_got(request: pytest.FixtureRequest) -> None:
    """`url`, `app` for one that stays in the process, `service` if known; errors have the status of the answer."""

    @bentoml.service
    class Model:
        @bentoml.api
        def predict(self, number: int) -> int:
            return number

    before = copy.deepcopy(BentoMLContainer.config.get())
    Model.inject_config()  # for the whole process, where legacy runners would then find none of theirs
    request.addfinalizer(lambda: BentoMLContainer.config.set(before))
    client = RemoteProxy("tcp://127.0.0.1:1", service=Model)._async
    assert (client.url, client.app, client.service.name) == ("tcp://127.0.0.1:1", None, "Model")
    assert client.endpoints["predict"].route == "/predict"
    assert int(BentoMLException("no", error_code=HTTPStatus.CONFLICT).error_code) == 409


@pytest.mark.parametrize("client", CLIENTS)
def test_methods_keep_their_kind_and_come_back(client: Any) -> None:
    """Observed twice is observed once."""
    before = {name: vars(client)[name] for name in METHODS}
    observe()
    observe()
    for name, method in before.items():
        observed = vars(client)[name]
        assert observed is not method
        assert observed.__wrapped__ is method
        if not name.startswith("_parse"):  # parsers give on what the original gives
            for is_kind in (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction):
                assert is_kind(observed) == is_kind(method)
    restore_clients()
    assert {name: vars(client)[name] for name in METHODS} == before


def test_clients_that_are_not_as_known_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All of them, and one line says so."""
    before = vars(AsyncClient)["_call"]
    monkeypatch.delattr(SyncHTTPClient, "_parse_response")
    with caplog.at_level(logging.WARNING, "bento_observe"):
        observe()

    assert vars(AsyncClient)["_call"] is before
    (record,) = caplog.records
    assert record.getMessage().startswith("bento_observe: calls of other services are not observed")
