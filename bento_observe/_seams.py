"""The private parts of BentoML that observing a service rests on, and what is done when one is gone.

Looked at once in each worker, before anything else. A part that is gone, or has another shape, is told in one line:
where the rest can do without it, less is observed; else the service is served as if it were not observed. What other
modules use beyond these, for one surface each, they look at themselves.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from dataclasses import dataclass
from functools import reduce
from typing import Any

from bentoml import __version__ as bentoml_version

from bento_observe._observe import is_first

__all__ = ["SEAMS", "Seam", "can_observe", "fault"]

logger = logging.getLogger("bento_observe")

_GONE = "is gone"


@dataclass(frozen=True)
class Seam:
    """`where` is a module and the path of attributes in it, as in `package.module:Class.method`.

    `takes` are the parameters that a replacement of ours takes, `self` and `cls` aside; None for what is not called
    or replaced. `settable`: we set it. `setting`: a part of BentoML's configuration. `lost` is what is not observed
    without it; empty: nothing can be.
    """

    where: str
    takes: tuple[str, ...] | None = None
    settable: bool = False
    setting: bool = False
    lost: str = ""

    @property
    def place(self) -> str:
        return self.where.replace(":", ".")


_APP = "_bentoml_impl.server.app:ServiceAppFactory"
_IO = "_bentoml_sdk.io_models:IOMixin"
_API = "_bentoml_sdk.method:APIMethod"
_SERVICE = "_bentoml_sdk.service:Service"
_CONTAINER = "bentoml._internal.container:BentoMLContainer"
_ACCESS = f"{_CONTAINER}.api_server_config.logging.access"
_CONTEXT = "bentoml._internal.context"

SEAMS = (
    Seam(f"{_APP}.middlewares"),
    Seam(f"{_APP}.batch_infer", ("name", "input_args", "input_kwargs"), lost="predict of batched requests"),
    Seam(f"{_APP}.create_instance", ("app",), lost="tasks"),
    Seam(f"{_APP}.submit_task", ("name", "request"), lost="tasks"),
    Seam(f"{_APP}._run_task", ("task_id", "name", "request"), lost="tasks"),
    *(
        Seam(f"{_APP}.{name}", ("request",), lost="tasks")
        for name in ("get_status", "get_result", "retry_task", "cancel_task")
    ),
    Seam("bentoml._internal.server.http.access:AccessLogMiddleware"),
    Seam(f"{_SERVICE}.to_asgi", ("is_main",)),
    Seam(f"{_SERVICE}.inject_config", ()),
    Seam(f"{_SERVICE}.all_services"),
    *(Seam(f"{_SERVICE}.{name}") for name in ("inner", "apis", "models", "config", "path_prefix", "mount_apps")),
    *(Seam(f"{_API}.{name}", settable=True) for name in ("func", "input_spec", "output_spec")),
    *(Seam(f"{_API}.{name}") for name in ("name", "route", "batchable", "is_task")),
    Seam(f"{_IO}.from_http_request", ("request", "serde"), lost="decode"),
    Seam(f"{_IO}.to_http_response", ("obj", "serde"), lost="encode"),
    Seam(f"{_IO}.mime_type", (), lost="a media type worked out once"),
    Seam(f"{_CONTAINER}.tracer_provider"),
    Seam(f"{_CONTAINER}.http.response.trace_id", setting=True),
    Seam(f"{_CONTAINER}.tracing.excluded_urls", setting=True),
    Seam(f"{_ACCESS}.enabled", setting=True),
    Seam(f"{_ACCESS}.skip_paths", setting=True),
    Seam(f"{_ACCESS}.request_content_length", setting=True),
    Seam(f"{_ACCESS}.request_content_type", setting=True),
    Seam(f"{_ACCESS}.response_content_length", setting=True),
    Seam(f"{_ACCESS}.response_content_type", setting=True),
    *(Seam(f"{_CONTEXT}:_ServiceTraceContext.{name}", settable=True) for name in ("service_name", "request_id")),
    Seam(f"{_CONTEXT}:trace_context"),
    *(
        Seam(f"{_CONTEXT}:server_context.{name}")
        for name in ("bento_name", "bento_version", "service_name", "worker_index")
    ),
    Seam("bentoml._internal.utils.uri:join_paths"),
)


def can_observe(service: str) -> bool:
    """Whether requests to `service` can be observed with this BentoML; where not wholly, one worker of it says so.

    Called in a worker, once the service's configuration is in place.
    """
    gone: dict[str, list[str]] = {}
    for seam in SEAMS:
        found = fault(seam)
        # One that has changed is not to be replaced: the request that meets it would fail.
        if found and not (seam.lost and found == _GONE):
            _tell("cannot be set up; %s is served unobserved: %s %s", service, seam.place, found)
            return False
        if found:
            gone.setdefault(seam.lost, []).append(seam.place)
    if gone:
        lost = ", ".join(f"{what} ({', '.join(places)} {_GONE})" for what, places in gone.items())
        _tell("%s is served, and observed without %s", service, lost)
    return True


def _tell(message: str, *args: str) -> None:
    if is_first():
        logger.warning(f"bento_observe: {message}; BentoML {bentoml_version} is new to us", *args)


def fault(seam: Seam) -> str:
    """What is wrong with a seam, as the end of a sentence; empty for nothing."""
    module, _, path = seam.where.partition(":")
    try:
        found: Any = reduce(getattr, path.split("."), importlib.import_module(module))
        if seam.setting:
            found.get()
    except (ImportError, AttributeError, KeyError):
        return _GONE
    if seam.takes is not None:
        taken = tuple(name for name in inspect.signature(found).parameters if name != "self")
        return "" if taken == seam.takes else f"takes {taken}, not {seam.takes}"
    if seam.settable and not hasattr(type(found), "__set__"):
        return "cannot be set"
    if seam.settable and isinstance(found, property) and found.fset is None:
        return "cannot be set"
    return ""
