"""The compiled kernel, where there is one: it is built with the package if there is a C compiler, else numpy counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["KERNEL", "Kernel"]

Kernel: TypeAlias = Callable[..., None]


def _find() -> Kernel | None:
    try:
        from bento_observe.features import _kernel
    except ImportError:
        return None
    return _kernel.count


KERNEL = _find()
"""`_kernel.count`, or None. Not final: tests and benchmarks look at both ways."""
