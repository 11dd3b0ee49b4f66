"""The decorator. It decides nothing and starts nothing: the module is imported by the supervisor and by every worker,
for services that the process at hand may not serve."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from _bentoml_sdk import Service
from bentoml._internal.context import server_context

from bento_observe import settings

__all__ = ["Options", "observe"]

T = TypeVar("T")

logger = logging.getLogger("bento_observe")

_OPTIONS = "__bento_observe_options__"


@dataclass(frozen=True)
class Options:
    """The arguments of `observe`."""

    reference: Any = None


class _Observed:
    """Mixed into the class of a service: its application is an observed one. Has no state, so any service takes it."""

    __slots__ = ()

    def to_asgi(self: Any, is_main: bool = True) -> Any:
        """The observed application; BentoML's own where observing cannot be set up."""
        self.inject_config()
        try:
            # Imported here: the supervisor needs none of it, and a BentoML whose private parts moved fails here.
            from bento_observe.service import observed_application

            return observed_application(self, vars(self.inner)[_OPTIONS], is_main)
        except Exception:
            logger.exception("bento_observe: cannot be set up; %s is served unobserved", self.name)
        return super().to_asgi(is_main=is_main)  # type: ignore[misc]


@overload
def observe(service: Service[T], /) -> Service[T]: ...


@overload
def observe(*, reference: Any = None) -> Callable[[Service[T]], Service[T]]: ...


def observe(service: Any = None, /, *, reference: Any = None) -> Any:
    """Send traces, metrics, logs and feature statistics of a BentoML service over OTLP.

    Use it above `@bentoml.service`, bare or with arguments, or as a function on a service object. Where telemetry goes
    is told by the standard `OTEL_*` variables (default: gRPC to localhost:4317); with `OTEL_SDK_DISABLED=true` the
    service is returned untouched.

    Args:
        service: what `@bentoml.service` returned.
        reference: statistics of the training data; an object with `id: str` and `edges`, a mapping from feature name
            to ascending bucket edges. Without one the feature histograms have exponential buckets.

    Returns:
        The same service object.

    Raises:
        TypeError: if `service` is not a BentoML service, or is observed already.
    """
    options = Options(reference=reference)
    if service is None:
        return lambda decorated: _observe(decorated, options)
    return _observe(service, options)


def _observe(service: Any, options: Options) -> Any:
    if issubclass(type(service), _Observed):
        raise TypeError(f"observe: {service.name} is observed already; apply it once")
    if isinstance(service, type):
        raise TypeError(
            f"observe: {service.__name__} is a class, not yet a BentoML service; "
            "put @observe above @bentoml.service, not under it"
        )
    if not isinstance(service, Service):
        raise TypeError(f"observe: {service!r} is not a BentoML service; apply it to what @bentoml.service returned")
    if settings.disabled():
        return service
    if server_context.worker_index is None:  # the supervisor: told once, not by every worker
        for problem in settings.from_environment().problems:
            _tell(problem)
    setattr(service.inner, _OPTIONS, options)
    kind = type(service)
    service.__class__ = type(f"Observed{kind.__name__}", (_Observed, kind), {"__slots__": ()})
    return service


@functools.cache
def _tell(problem: str) -> None:
    """Once, however many services the module has."""
    logger.error("bento_observe: %s", problem)
