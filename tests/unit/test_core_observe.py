"""The decorator: what it accepts, what it refuses and how it says so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import bentoml
import pytest

from bento_observe import observe


@pytest.fixture
def make_service(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Makes a fresh BentoML service; the environment says nothing of OpenTelemetry."""
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)

    def make() -> Any:
        @bentoml.service
        class Model:
            @bentoml.api
            def predict(self, number: int) -> int:
                return number

        return Model

    return make


@pytest.mark.parametrize("form", ["bare", "with arguments", "as a function"])
def test_the_same_service_comes_back(make_service: Callable[[], Any], form: str) -> None:
    """With its name, its APIs and its type as they were, so `depends` and `bentoml build` find what they know."""
    service = make_service()
    kind = type(service)
    observed = observe(reference=None)(service) if form == "with arguments" else observe(service)

    assert observed is service
    assert isinstance(observed, kind)
    assert observed.name == "Model"
    assert list(observed.apis) == ["predict"]
    assert observed.inner().predict(3) == 3


def test_other_services_are_not_observed_with_it(make_service: Callable[[], Any]) -> None:
    """The class of BentoML's services is left alone."""
    one, other = make_service(), make_service()
    observe(one)

    assert type(other).to_asgi is not type(one).to_asgi
    assert type(other).__name__ == "Service"


def test_applying_it_twice_is_refused(make_service: Callable[[], Any]) -> None:
    """Requests would be told twice."""
    service = observe(make_service())

    with pytest.raises(TypeError, match=r"^observe: Model is observed already; apply it once$"):
        observe(service)


def test_under_the_service_decorator_it_is_refused() -> None:
    """There is no service yet; the message says where it belongs."""
    with pytest.raises(TypeError, match=r"Model is a class.*put @observe above @bentoml\.service, not under it$"):

        @bentoml.service
        @observe
        class Model:
            pass


@pytest.mark.parametrize("thing", [7, "a service", lambda: None, object()])
def test_what_is_no_service_is_refused(thing: Any) -> None:
    """In one line that says what is wanted."""
    with pytest.raises(
        TypeError, match=r"is not a BentoML service; apply it to what @bentoml\.service returned$"
    ) as info:
        observe(thing)
    assert "\n" not in str(info.value)


def test_disabled_it_leaves_the_service_alone(
    make_service: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even its class changes, and no setting is looked at."""
    service = make_service()
    kind = type(service)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "sometimes")

    assert observe(service) is service
    assert type(service) is kind
    assert caplog.records == []


def test_a_bad_setting_is_told_once_however_many_services_there_are(
    make_service: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A module may hold several; the environment is the same for all."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "every-other-tuesday")
    with caplog.at_level(logging.ERROR, logger="bento_observe"):
        observe(make_service())
        observe(make_service())

    told = [record.getMessage() for record in caplog.records if "every-other-tuesday" in record.getMessage()]
    assert len(told) == 1
