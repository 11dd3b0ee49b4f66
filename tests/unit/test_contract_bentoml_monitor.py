"""What `bento_observe.monitor` relies on in BentoML's monitoring, beyond what is documented."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Callable
from typing import Any

import bentoml
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk.service import get_current_service
from bentoml._internal.context import server_context
from bentoml._internal.monitoring import base, default
from bentoml._internal.server.base_app import BaseAppFactory
from bentoml._internal.server.http_app import HTTPAppFactory
from bentoml._internal.server.runner_app import RunnerAppFactory
from bentoml._internal.types import LazyType

from bento_observe.monitor import ObserveMonitor


def test_a_monitor_is_made_by_its_dotted_name_and_the_options() -> None:
    """`monitoring.type` may be a class of ours, and `MonitorBase` takes its name alone."""
    assert LazyType("bento_observe.monitor.ObserveMonitor").get_class() is ObserveMonitor
    assert list(inspect.signature(base.MonitorBase.__init__).parameters)[:2] == ["self", "name"]
    assert issubclass(ObserveMonitor, base.MonitorBase)


def test_our_monitor_takes_what_the_base_takes() -> None:
    """The methods that handlers and `bentoml.monitor` call have the parameters of BentoML's."""

    def parameters(method: Callable[..., Any]) -> list[str]:
        return list(inspect.signature(method).parameters)

    for name in ("log", "log_batch", "log_table", "start_record", "stop_record"):
        assert parameters(getattr(ObserveMonitor, name)) == parameters(getattr(base.MonitorBase, name)), name


def test_a_record_lives_in_two_context_variables() -> None:
    """They are emptied for the other monitor of `also`, in a context of its own."""
    assert isinstance(base.MON_DATAS_VAR, contextvars.ContextVar)
    assert isinstance(base.MON_COLUMN_VAR, contextvars.ContextVar)
    assert "log_path" in inspect.signature(default.DefaultMonitor.__init__).parameters


def test_shutdown_hooks_are_looked_for_on_the_class_when_it_shuts_down() -> None:
    """One that is set after the service has started runs, and the instance that is served can be asked for."""
    source = inspect.getsource(ServiceAppFactory.destroy_instance)
    assert "dir(self.service.inner)" in source
    assert "__bentoml_shutdown_hook__" in source
    assert bentoml.on_shutdown(lambda self: None).__bentoml_shutdown_hook__
    assert callable(get_current_service)
    assert {"worker_index", "service_type"} <= set(dir(server_context))


def test_legacy_applications_look_for_what_to_do_when_they_shut_down() -> None:
    """Services and runners ask a property of what they have in common, when it is time."""
    assert isinstance(BaseAppFactory.on_shutdown, property)
    assert "in self.on_shutdown:" in inspect.getsource(BaseAppFactory.lifespan)
    for kind in (HTTPAppFactory, RunnerAppFactory):
        assert kind.lifespan is BaseAppFactory.lifespan
        assert ".extend(super().on_shutdown)" in inspect.getsource(kind.on_shutdown.fget)
