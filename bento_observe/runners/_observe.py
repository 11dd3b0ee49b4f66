"""What `observe` makes of a legacy service, and `observe_runner` of a runner. As there, nothing is started here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from bentoml._internal.context import server_context
from bentoml._internal.runner.runner import Runner

from bento_observe import _monitoring, settings
from bento_observe._observe import Options, checked_options, generate_key, is_first, tell_problems
from bento_observe.runners._marks import AUTOMATIC, OPTIONS, mark

__all__ = ["observe_legacy", "observe_runner"]

R = TypeVar("R")

logger = logging.getLogger("bento_observe")


def _observed_runner_class(kind: Any) -> Any:
    """That of a runner, `kind`, with an observed handle for its calls to go through."""

    class Observed(kind):  # type: ignore[misc]
        def _set_handle(self, handle_class: Any, *args: Any, **kwargs: Any) -> None:
            try:
                # Imported here: the supervisor needs none of it, and a BentoML whose private parts moved fails here.
                from bento_observe.runners._handles import observed_handle

                handle_class = observed_handle(self, handle_class)
            except Exception:
                logger.exception("bento_observe: cannot be set up; calls of runner %s are not observed", self.name)
            super()._set_handle(handle_class, *args, **kwargs)

    Observed.__name__ = f"Observed{kind.__name__}"
    return Observed


def _observed_service_class(kind: Any) -> Any:
    """That of a legacy service, `kind`, with an observed application."""

    class Observed(kind):  # type: ignore[misc]
        @property
        def asgi_app(self) -> Any:
            try:
                from bento_observe.runners._apps import observed_http_app

                return observed_http_app(self, vars(self)[OPTIONS])
            except Exception:
                logger.exception("bento_observe: cannot be set up; %s is served unobserved", self.name)
                _monitoring.expect(self.name, False)
            return super().asgi_app

    Observed.__name__ = f"Observed{kind.__name__}"
    return Observed


def observe_runner(runner: R, /, *, reference: Any = None, slices: Sequence[str] = (), slice_values: int = 20) -> R:
    """Send traces, metrics, logs and feature statistics of a `bentoml.legacy` runner over OTLP.

    In the runner's own processes: requests, batches and how long they were waited for, and feature statistics of what
    its methods take (signal `input`) and answer (`prediction`). A runner that is embedded in a service, or initialised
    by `init_local` within one, is told of by that service's process, if it is observed. `observe` of a legacy service
    does the same for all its runners; this is for giving one of them a reference of its own.

    Args:
        runner: a `bentoml.legacy.Runner`, such as `to_runner()` makes of a model.
        reference: as of `observe`; by default the one that lies with the runner's model.
        slices: as of `observe`.
        slice_values: as of `observe`.

    Returns:
        The same runner.

    Raises:
        TypeError: if `runner` is no runner, or is observed already; as of `observe`.
        ValueError: as of `observe`.
    """
    options = checked_options(reference, slices, slice_values)
    given: Any = runner
    if not isinstance(given, Runner):
        raise TypeError(f"observe_runner: {runner!r} is not a runner; give what bentoml.legacy.Runner(...) made")
    if vars(given).get(AUTOMATIC):
        mark(given, AUTOMATIC, False)
        mark(given, OPTIONS, options)
        return runner
    if OPTIONS in vars(given):
        raise TypeError(f"observe_runner: {given.name} is observed already; apply it once")
    _observe_runner(given, options)
    return runner


def _observe_runner(runner: Any, options: Options) -> None:
    if settings.disabled():
        return
    tell_problems()
    mark(runner, OPTIONS, options)
    mark(runner, "__class__", _observed_runner_class(type(runner)))
    if server_context.service_type == "runner" and server_context.service_name == runner.name:
        try:
            from bento_observe.runners._apps import observe_runner_process

            observe_runner_process()
            _monitoring.expect(runner.name)
        except Exception:
            logger.exception("bento_observe: cannot be set up; runner %s is served unobserved", runner.name)


def observe_legacy(service: Any, options: Options, *, automatic: bool = False) -> Any:
    """A `bentoml.legacy.Service`, with its runners. `automatic`: it may be observed once more, with other options."""
    if vars(service).get(AUTOMATIC):
        vars(service)[AUTOMATIC] = False
        vars(service)[OPTIONS] = options
        return service
    if OPTIONS in vars(service):
        raise TypeError(f"observe: {service.name} is observed already; apply it once")
    if settings.disabled():
        return service
    tell_problems()
    generate_key()
    for runner in service.runners:
        if isinstance(runner, Runner) and OPTIONS not in vars(runner):  # those of Triton are no such ones
            _observe_runner(runner, Options())
            mark(runner, AUTOMATIC, automatic)
    if server_context.service_type == "api_server":
        _monitoring.expect(service.name)
    elif server_context.service_type == "grpc_api_server" and is_first():
        logger.warning("bento_observe: %s is served over gRPC, which is not observed; its runners are", service.name)
    vars(service)[OPTIONS] = options
    vars(service)[AUTOMATIC] = automatic
    service.__class__ = _observed_service_class(type(service))
    return service
