"""A service: whether it is observed, its reference, and how it is connected with the services that it depends on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bento_observe import semconv
from bento_observe.doctor._finding import Finding, Level, ok, problem, warning
from bento_observe.settings import Settings

__all__ = ["check_service"]

_MAX_REASON: Final = 1000
_FOR_EVER: Final = 10**8
_CONNECTION: Final = 'runner_connection={"max_requests": 10**9, "max_age": 1e9}'


def check_service(identifier: str, settings: Settings) -> Iterator[Finding]:
    """All of it; `identifier` is what `bentoml serve` takes: `module:Class`, a tag, a directory."""
    try:
        service = _load(identifier)
    except BaseException as error:  # the user's module may do anything, SystemExit included
        if isinstance(error, KeyboardInterrupt):
            raise
        reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        yield problem(identifier, f"cannot be loaded: {reason}", "it must be what bentoml serve takes, and import")
        return
    if not hasattr(service, "all_services"):
        yield warning(identifier, "is a legacy service, of which nothing is checked", "see docs/operating.md")
        return
    for one in service.all_services().values():
        yield _observed(one)
        yield from _reference(one, settings)
    yield from _connections(service)


def _load(identifier: str) -> Any:
    if "" not in sys.path:  # as `bentoml serve` has it
        sys.path.insert(0, "")
    return importlib.import_module("_bentoml_impl.loader").load(identifier)


def _observed(service: Any) -> Finding:
    from bento_observe._observe import is_observed

    if is_observed(service):
        return ok(service.name, "is observed")
    return warning(
        service.name, "is not observed", "put @observe above @bentoml.service, or start it by bento-observe run"
    )


def _reference(service: Any, settings: Settings) -> Iterator[Finding]:
    from bento_observe._observe import options_of
    from bento_observe._references import References, find_reference

    told: list[str] = []
    options = options_of(service).completed(settings)
    reference = find_reference(options.reference, service.models, told.append)
    if reference is not None:
        # As a worker does it, API by API.
        references = References(reference, told.append, str(options.reference or ""))
        for method in service.apis.values():
            references.of(semconv.SIGNAL_INPUT, method.name, method)
        references.check()
    for line in told:
        fault, _, remedy = line.partition("; ")
        yield problem(service.name, fault, remedy)
    if reference is None and not told:
        yield ok(service.name, "has no reference, hence no drift; bento-observe profile makes one")
    elif not told:
        yield ok(service.name, f"has {reference!r}")


def _connections(service: Any) -> Iterator[Finding]:
    """Stock BentoML renews a dependency's connection after 100 requests or 300 s, while others still use it."""
    service.inject_config()
    from bentoml._internal.container import BentoMLContainer

    configs: Mapping[str, Any] = BentoMLContainer.config.services.get()
    seen: set[str] = set()
    for caller in service.all_services().values():
        for field, dependency in caller.dependencies.items():
            if dependency.on is None or dependency.on.name in seen:
                continue
            name = dependency.on.name
            seen.add(name)
            connection = configs.get(name, {}).get("runner_connection") or {}
            lasting = min(connection.get("max_requests", 100), connection.get("max_age", 300.0)) >= _FOR_EVER
            if lasting:
                yield ok(f"{caller.name}.{field}", f"the connection to {name} is kept")
            else:
                yield Finding(
                    Level.WARNING,
                    f"{caller.name}.{field}",
                    f"the connection to {name} is renewed in use, which fails 2-3 % of concurrent calls",
                    f"@bentoml.service({_CONNECTION}) at {name}",
                )
