"""Imported by every Python process under `bento-observe run`, as it starts; most of them are not BentoML's.

So it imports nothing: it waits for the modules of BentoML that matter, and hands over when one has been imported.
Then it does what it stands in front of: runs the sitecustomize that there would be without it.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

TYPE_CHECKING = False  # as type checkers read it, without `typing`, which imports thirty more modules
if TYPE_CHECKING:
    from typing import Any

_HANDLERS = {
    # module of BentoML -> function of `bento_observe._auto` that is given the module when it has been imported
    "_bentoml_sdk.service.factory": "observe_services",
    "bentoml._internal.service.service": "observe_legacy_services",
    "_bentoml_impl.loader": "instrument_clients",
    "_bentoml_impl.client.proxy2": "leave_dependencies_alone",
}


class _Finder:
    """Finds the modules waited for, as they would be found without it, once each."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        del target
        handler = _HANDLERS.pop(name, None)
        if handler is None:
            return None
        if not _HANDLERS:
            sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                _handle(handler, module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _handle(handler: str, module: Any) -> None:
    try:
        from bento_observe import _auto

        getattr(_auto, handler)(module)
    except Exception as error:  # noqa: BLE001 - served unobserved is better than not at all
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        sys.stderr.write(f"bento-observe run: {sys.executable} serves without it ({handler}: {reason})\n")


def _run_next() -> None:
    """The sitecustomize that comes after this one on the path, if any."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


sys.meta_path.insert(0, _Finder())
_run_next()
