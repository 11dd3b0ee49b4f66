"""The decorator. It decides nothing and starts nothing: the module is imported by the supervisor and by every worker,
for services that the process at hand may not serve."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, overload

from bentoml import Service, server_context

from bento_observe import _label_keys, _label_tables, settings
from bento_observe.settings import MAX_SLICE_VALUES, MAX_SLICES

__all__ = [
    "Options",
    "checked_options",
    "generate_key",
    "is_first",
    "is_observed",
    "observe",
    "options_of",
    "tell_problems",
]

T = TypeVar("T")

logger = logging.getLogger("bento_observe")

_OPTIONS = "__bento_observe_options__"


@dataclass(frozen=True)
class Options:
    """The arguments of `observe`."""

    reference: Any = None
    slices: tuple[str, ...] = ()
    slice_values: int = 20
    labels: bool = False

    def completed(self, config: settings.Settings) -> Options:
        """What is not given taken from the environment."""
        reference = self.reference if self.reference is not None else config.reference or None
        if self.slices:
            return replace(self, reference=reference)
        return Options(reference, config.slices, config.slice_values, self.labels)


class _Observed:
    """Mixed into the class of a service: its application is an observed one. Has no state, so any service takes it."""

    __slots__ = ()

    def to_asgi(self: Any, is_main: bool = True) -> Any:
        """The observed application; BentoML's own where observing cannot be set up."""
        try:
            self.inject_config()
            # Imported here: the supervisor needs none of it, and a BentoML whose private parts moved fails here.
            from bento_observe._seams import can_observe

            if can_observe(self.name):
                from bento_observe.service import observed_application

                return observed_application(self, options_of(self), is_main)
        except Exception:
            logger.exception("bento_observe: cannot be set up; %s is served unobserved", self.name)
        return super().to_asgi(is_main=is_main)  # type: ignore[misc]


@overload
def observe(service: Service[T], /) -> Service[T]: ...


@overload
def observe(
    *, reference: Any = None, slices: Sequence[str] = (), slice_values: int = 20, labels: bool = False
) -> Callable[[Service[T]], Service[T]]: ...


def observe(
    service: Any = None,
    /,
    *,
    reference: Any = None,
    slices: Sequence[str] = (),
    slice_values: int = 20,
    labels: bool = False,
) -> Any:
    """Send traces, metrics, logs and feature statistics of a BentoML service over OTLP.

    Use it above `@bentoml.service`, bare or with arguments, or as a function on a service object. Where telemetry goes
    is told by the standard `OTEL_*` variables (default: gRPC to localhost:4317); with `OTEL_SDK_DISABLED=true` the
    service is returned untouched.

    Args:
        service: what `@bentoml.service` returned; or a `bentoml.legacy.Service`, whose runners are observed with it.
        reference: statistics of the training data: a `Reference`, the path of one, or the tag of a BentoML model that
            one lies with (see `Reference.save_with`). By default the one that lies with the service's model, if it has
            just one. Without any there is no drift, and the histograms of numeric features have exponential buckets.
        slices: columns of the input, such as a country, for each of whose values predictions and drift are counted
            once more.
        slice_values: how many values of such a column are told apart; the others are `__other__` together.
        labels: whether the service takes labels of its predictions at `POST /observe/labels`.

    Returns:
        The same service object.

    Raises:
        TypeError: if `service` is not a BentoML service, or is observed already; if `slices` are no names, or
            `slice_values` is no whole number.
        ValueError: if `slices` are more than 8, or `slice_values` is not between 1 and 1000.
    """
    options = checked_options(reference, slices, slice_values, labels)
    if service is None:
        return lambda decorated: _observe(decorated, options)
    return _observe(service, options)


def checked_options(reference: Any, slices: Sequence[str], slice_values: int, labels: bool = False) -> Options:
    """Checked; raises what `observe` says it does."""
    columns = (slices,) if isinstance(slices, (str, bytes)) else tuple(slices)
    if isinstance(slices, (str, bytes)) or not all(isinstance(column, str) for column in columns):
        raise TypeError(f"observe: slices={slices!r} are no names of columns; write slices=['country']")
    if len(columns) > MAX_SLICES:
        raise ValueError(
            f"observe: {len(columns)} slices are too many; each has series of its own, {MAX_SLICES} at most"
        )
    if not isinstance(slice_values, int):
        raise TypeError(f"observe: slice_values={slice_values!r} is no whole number; 20 is the default")
    if not 1 <= slice_values <= MAX_SLICE_VALUES:
        raise ValueError(
            f"observe: slice_values={slice_values!r} is not between 1 and {MAX_SLICE_VALUES}; each value has series "
            "of its own, 20 is the default"
        )
    return Options(reference, tuple(dict.fromkeys(columns)), slice_values, bool(labels))


def is_observed(service: Any) -> bool:
    """Whether `observe` was applied to it, and telemetry not disabled then."""
    return isinstance(service, _Observed)


def is_first() -> bool:
    """Whether this process tells what all workers of its service would have to: they have the same faults."""
    return server_context.worker_index in (None, 1)


def options_of(service: Any) -> Options:
    """What `observe` was given for a service; the defaults of one that is not observed."""
    options: Options = vars(service.inner).get(_OPTIONS, Options())
    return options


def _observe(service: Any, options: Options) -> Any:
    if is_observed(service):
        raise TypeError(f"observe: {service.name} is observed already; apply it once")
    if isinstance(service, type):
        raise TypeError(
            f"observe: {service.__name__} is a class, not yet a BentoML service; "
            "put @observe above @bentoml.service, not under it"
        )
    legacy = sys.modules.get("bentoml._internal.service.service")
    if legacy is not None and isinstance(service, legacy.Service):
        # Imported here: those who have no runners do without.
        from bento_observe.runners import observe_legacy

        return observe_legacy(service, options)
    if not isinstance(service, Service):
        raise TypeError(f"observe: {service!r} is not a BentoML service; apply it to what @bentoml.service returned")
    if settings.disabled():
        return service
    tell_problems()
    generate_key()
    try:
        setattr(service.inner, _OPTIONS, options)
        kind = type(service)
        service.__class__ = type(f"Observed{kind.__name__}", (_Observed, kind), {"__slots__": ()})
    except Exception as error:  # noqa: BLE001 - an exception here, and no worker ever starts
        _tell(f"cannot be set up; {service.name} is served unobserved: {error!r}")
    return service


def tell_problems() -> None:
    """What is wrong with the settings; by the supervisor, so that not every worker tells it once more."""
    if server_context.worker_index is None:
        for problem in settings.from_environment().problems:
            _tell(problem)


def generate_key() -> None:
    """In the supervisor: workers inherit its environment, and what they keep by that key ends with it."""
    if server_context.worker_index is None:
        _label_keys.generate(os.environ)
        _forget_at_end()


@functools.cache
def _forget_at_end() -> None:
    """Once, however many services the module has."""
    atexit.register(_label_tables.forget_generated)


@functools.cache
def _tell(problem: str) -> None:
    """Once, however many services the module has."""
    logger.error("bento_observe: %s", problem)
