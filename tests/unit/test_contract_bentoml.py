"""What an observed service needs of BentoML's private parts: each is there, and of the shape that we count on.

Each test names the module of ours that uses the part. What is done when one is gone is tested in
`tests/service/test_service_seams.py`; other surfaces have files of their own, `test_contract_bentoml_*.py`.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import bentoml
import pytest
from _bentoml_impl.serde import ALL_SERDE
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk import Service
from _bentoml_sdk.io_models import IOMixin
from _bentoml_sdk.method import APIMethod
from bentoml._internal.container import BentoMLContainer
from bentoml._internal.context import server_context, trace_context
from bentoml._internal.log import SERVER_LOGGING_CONFIG, TraceRecordFilter
from bentoml._internal.server.http.access import AccessLogMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from bentoml._internal.server.metrics.prometheus import PrometheusClient
from bentoml._internal.utils.uri import join_paths
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from starlette.middleware import Middleware
from starlette.requests import Request

from bento_observe import _seams, _worker, observe
from bento_observe.telemetry import _logs


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.fixture
def service() -> Iterator[Any]:
    """A BentoML service with an API of each kind that matters here, configured as a worker does it."""

    @bentoml.service(metrics={"enabled": False}, path_prefix="/v1")
    class Model:
        @bentoml.api
        def predict(self, number: int) -> int:
            return number

        @bentoml.api(batchable=True)
        def batch(self, rows: list[int]) -> list[int]:
            return rows

        @bentoml.task
        def train(self, rounds: int) -> int:
            return rounds

    before = BentoMLContainer.config.get()
    Model.inject_config()
    yield Model
    BentoMLContainer.config.set(before)


@pytest.mark.parametrize("seam", _seams.SEAMS, ids=lambda seam: seam.place)
def test_every_seam_that_is_looked_at_when_a_worker_starts_holds(service: Any, seam: _seams.Seam) -> None:
    """For `_seams`: with this BentoML services are observed wholly."""
    assert _seams.fault(seam) == ""


def test_a_service_may_become_one_of_a_subclass(service: Any) -> None:
    """For `_observe`: `__class__` takes a subclass without state; `inner` is the user's class and keeps what is set."""
    kind = type(service)
    service.__class__ = type("Sub", (kind,), {"__slots__": ()})
    service.inner.__noted__ = 1

    assert isinstance(service, Service)
    assert isinstance(service.inner, type)
    assert (service.name, service.inner.__noted__, service.inner().predict(3)) == ("Model", 1, 3)


def test_what_the_decorator_needs_is_public() -> None:
    """For `_observe`: it is imported by the user's module, which must not fail."""
    assert bentoml.Service is Service
    assert bentoml.server_context is server_context


def test_a_worker_knows_who_it_is_before_it_makes_the_application() -> None:
    """For `_observe` and `_worker`: the index before the user's module is imported, the names before `to_asgi`."""
    worker = importlib.import_module("_bentoml_impl.worker.service")
    source = inspect.getsource(worker.main.callback)
    steps = (
        "server_context.worker_index =", "service = load(", "server_context.service_name =",
        "server_context.bento_version =", "service.to_asgi(is_main=",
    )  # fmt: skip
    places = [source.index(step) for step in steps]
    assert places == sorted(places)


def test_an_unserved_process_has_no_worker_index() -> None:
    """For `_observe` and `_worker`: the supervisor is told from its workers by it; what is no bento has no version."""
    assert server_context.worker_index is None
    assert isinstance(server_context.bento_name, str)
    assert server_context.bento_version == "not available"


def test_the_application_is_made_by_calling_its_factory(service: Any) -> None:
    """For `service`: a factory takes the service and `is_main`, and is what `Service.to_asgi` uses."""
    assert parameters(ServiceAppFactory.__init__)[:3] == ["self", "service", "is_main"]
    assert parameters(ServiceAppFactory.__call__) == ["self"]
    assert "ServiceAppFactory(self, is_main=is_main)" in inspect.getsource(Service.to_asgi)


def test_the_factory_lists_the_middlewares(service: Any) -> None:
    """For `service`: a property, of Starlette's `Middleware`; tracing outside the access log and the rest."""
    middlewares = ServiceAppFactory(service).middlewares
    kinds = [middleware.cls for middleware in middlewares]

    assert isinstance(ServiceAppFactory.middlewares, property)
    assert all(isinstance(middleware, Middleware) for middleware in middlewares)
    assert kinds.index(OpenTelemetryMiddleware) < kinds.index(AccessLogMiddleware) < kinds.index(TimeoutMiddleware)
    assert "tracer_provider" in middlewares[kinds.index(OpenTelemetryMiddleware)].kwargs
    assert "exclude_spans" in parameters(OpenTelemetryMiddleware.__init__)


def test_a_batched_request_goes_through_one_method(service: Any) -> None:
    """For `service`: `batch_infer`, which hands it to the dispatcher of its API."""
    assert parameters(ServiceAppFactory.batch_infer) == ["self", "name", "input_args", "input_kwargs"]
    assert "await self.batch_infer(name, " in inspect.getsource(ServiceAppFactory.api_endpoint)
    assert "self.dispatchers[name](" in inspect.getsource(ServiceAppFactory.batch_infer)
    assert list(ServiceAppFactory(service).dispatchers) == ["batch"]


def test_an_api_says_what_it_is(service: Any) -> None:
    """For `_worker` and `calls`: its name, route and kind."""
    apis = service.apis
    assert [(api.name, api.route, api.batchable, api.is_task) for api in apis.values()] == [
        ("batch", "/batch", True, False), ("predict", "/predict", False, False), ("train", "/train", False, True),
    ]  # fmt: skip
    assert service.all_services() == {"Model": service}


def test_what_an_api_calls_can_be_replaced(service: Any) -> None:
    """For `calls`: `func` is looked up for each call, from the instance and by the server."""
    method = service.apis["predict"]
    method.func = lambda self, number: 2 * number

    assert service.inner().predict(3) == 6
    assert service.inner().predict.local(3) == 6


def test_the_server_asks_the_specifications_of_an_api_for_each_request() -> None:
    """For `calls` and `_specs`: as attributes, so that replaced ones are asked."""
    source = inspect.getsource(ServiceAppFactory.api_endpoint)
    assert "await method.input_spec.from_http_request(request, serde)" in source
    assert "await method.output_spec.to_http_response(output, serde)" in source


@pytest.mark.parametrize(
    ("name", "taken"),
    [("from_http_request", ["request", "serde"]), ("to_http_response", ["obj", "serde"]), ("mime_type", [])],
)
def test_a_specification_has_class_methods(name: str, taken: list[str]) -> None:
    """For `_specs`, which overrides them in a subclass."""
    method = getattr(IOMixin, name)
    assert inspect.ismethod(method)
    assert parameters(method) == taken
    assert inspect.iscoroutinefunction(method) is (name != "mime_type")


def test_a_specification_may_be_subclassed_under_its_own_name(service: Any) -> None:
    """For `_specs`: with its own schema, its own media type, and the same fields."""
    spec = service.apis["predict"].input_spec
    sub = type(spec)(spec.__name__, (spec,), {"__module__": spec.__module__, "__qualname__": spec.__qualname__})
    service.apis["predict"].input_spec = sub

    assert service.apis["predict"].input_spec is sub
    assert (sub.__name__, list(sub.model_fields), sub.multipart_fields) == (spec.__name__, ["number"], [])
    assert (sub.media_type, sub.mime_type()) == (None, "application/json")


@pytest.mark.anyio
async def test_a_specification_reads_and_answers_requests(service: Any) -> None:
    """For `_specs`: an instance from a request, a Starlette response from what the handler returned."""
    serde = ALL_SERDE["application/json"]()
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [(b"content-type", b"application/json")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"number": 3}'}

    method = service.apis["predict"]
    decoded = await method.input_spec.from_http_request(Request(scope, receive), serde)
    response = await method.output_spec.to_http_response(4, serde)
    assert decoded.number == 3
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_tracer_provider_is_the_containers(service: Any) -> None:
    """For `_worker`: what is set there, the middleware for web sockets traces with."""
    provider = TracerProvider(shutdown_on_exit=False)
    BentoMLContainer.tracer_provider.set(provider)
    try:
        middlewares = {middleware.cls: middleware.kwargs for middleware in ServiceAppFactory(service).middlewares}
        assert middlewares[OpenTelemetryMiddleware]["tracer_provider"] is provider
    finally:
        BentoMLContainer.tracer_provider.reset()


def test_the_access_log_is_configured_as_its_middleware_is(service: Any) -> None:
    """For `_worker` and `request._access_log`: the options and the paths left out are those that BentoML takes."""
    options = _worker._access_log(service)
    (access,) = [one for one in ServiceAppFactory(service).middlewares if one.cls is AccessLogMiddleware]
    assert access.kwargs == {
        "has_request_content_length": options.request_length,
        "has_request_content_type": options.request_type,
        "has_response_content_length": options.response_length,
        "has_response_content_type": options.response_type,
        "skip_paths": list(options.skip_paths),
    }
    assert AccessLogMiddleware(None).logger.name == "bentoml.access"


def test_what_is_left_out_of_tracing_is_configured(service: Any) -> None:
    """For `_worker`: `excluded_urls`, which the container makes into what can be asked about a URL."""
    assert BentoMLContainer.tracing.excluded_urls.get() is None
    assert BentoMLContainer.tracing_excluded_urls.get().url_disabled("http://127.0.0.1/predict") is False
    assert BentoMLContainer.http.response.trace_id.get() is False


def test_the_routes_are_those_that_we_know(service: Any) -> None:
    """For `_worker`: each API's, below the prefix, those of a task, and the system's, which are not observed."""
    routes = {route.path for route in ServiceAppFactory(service).routes}
    assert join_paths("/v1", "/predict") == "/v1/predict"
    assert routes - {"/v1/metrics"} == _worker._routes(service) | _worker._quiet_paths(service) - {"/v1/metrics"}


def test_the_context_of_log_lines_can_be_set() -> None:
    """For `_worker` and `asgi`: the service's name and the request's id, per context."""
    before = trace_context.service_name
    trace_context.service_name, trace_context.request_id = "Named", 7
    assert (trace_context.service_name, trace_context.request_id) == ("Named", 7)
    trace_context.service_name, trace_context.request_id = before, None


def test_a_log_record_has_the_attributes_that_we_leave_out() -> None:
    """For `telemetry._logs`: what BentoML's filter adds for its console is not sent."""
    record = logging.makeLogRecord({})
    before = set(vars(record))
    TraceRecordFilter().filter(record)
    assert set(vars(record)) - before <= _logs._KNOWN


def test_bentomls_loggers_stop_at_their_own() -> None:
    """For `_logging`: `bentoml` does not propagate to the root logger, whose level is above INFO."""
    assert SERVER_LOGGING_CONFIG["loggers"]["bentoml"]["propagate"] is False
    assert SERVER_LOGGING_CONFIG["root"]["level"] == logging.WARNING


def test_metrics_of_all_workers_are_in_one_directory() -> None:
    """For `telemetry._health`: the server names it for its workers; what is in the usual registry is shown."""
    serving = importlib.import_module("_bentoml_impl.server.serving")
    assert '"PROMETHEUS_MULTIPROC_DIR": ensure_prometheus_dir()' in inspect.getsource(serving.serve_http)
    assert "MultiProcessCollector(" in inspect.getsource(PrometheusClient.generate_latest)


def test_a_model_knows_its_tag_and_its_files(service: Any) -> None:
    """For `_worker`, `_references` and `features.reference`: the tag of a service's model, a path in the store."""
    assert service.models == []
    assert bentoml.models.BentoModel("wine:v1").tag == bentoml.Tag("wine", "v1")
    assert parameters(bentoml.Model.path_of) == ["self", "item"]


def test_a_service_that_does_not_take_another_class_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """The fall-back of `_observe`: an exception there would keep every worker from starting."""

    class Stubborn(Service):  # type: ignore[type-arg]
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "__class__":
                raise TypeError("__class__ assignment: 'Sub' object layout differs from 'Stubborn'")
            super().__setattr__(name, value)

    @bentoml.service(service_class=Stubborn)
    class Model:
        @bentoml.api
        def predict(self, number: int) -> int:
            return number

    assert observe(Model) is Model
    assert type(Model) is Stubborn
    (record,) = [record for record in caplog.records if record.name == "bento_observe"]
    assert "cannot be set up; Model is served unobserved: TypeError(" in record.getMessage()


@pytest.mark.parametrize(
    ("seam", "found"),
    [
        (_seams.Seam("bentoml._internal.moved:Thing"), "is gone"),
        (_seams.Seam("_bentoml_impl.server.app:ServiceAppFactory.infer"), "is gone"),
        (_seams.Seam("bentoml._internal.container:BentoMLContainer.tracing.nothing", setting=True), "is gone"),
        (_seams.Seam("_bentoml_sdk.io_models:IOMixin.mime_type", ("kind",)), "takes (), not ('kind',)"),
        (_seams.Seam("bentoml._internal.context:_ServiceTraceContext.span_id", settable=True), "cannot be set"),
        (_seams.Seam("bentoml._internal.context:trace_context", settable=True), "cannot be set"),
    ],
)
def test_a_seam_that_does_not_hold_is_described(seam: _seams.Seam, found: str) -> None:
    """For `_seams`: gone, of another shape, read-only."""
    assert _seams.fault(seam) == found


def test_a_seam_of_another_shape_keeps_the_service_unobserved(
    service: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours in its place would fail the requests that meet it, so that even one we could do without keeps us out."""
    assert _seams.can_observe("Model")
    assert caplog.records == []

    async def batch_infer(self: Any, name: str, call: Any) -> Any: ...

    monkeypatch.setattr(ServiceAppFactory, "batch_infer", batch_infer)
    assert not _seams.can_observe("Model")
    (record,) = caplog.records
    assert "ServiceAppFactory.batch_infer takes ('name', 'call'), not ('name'," in record.getMessage()


def test_an_api_is_made_with_what_we_replace() -> None:
    """For `calls`: the three seams of an API are its own attributes, not of the class."""
    fields = {field.name for field in APIMethod.__attrs_attrs__}
    assert {"func", "input_spec", "output_spec", "route", "name", "batchable", "is_task", "ctx_param"} <= fields
