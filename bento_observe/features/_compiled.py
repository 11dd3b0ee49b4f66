"""The compiled kernel, where there is one: it is built with the package if there is a C compiler, else numpy counts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from bento_observe.features._types import FloatArray, IntArray

__all__ = ["KERNEL", "Kernel"]

_VERSION: Final = 1
"""That of `_kernel.c`."""

logger = logging.getLogger("bento_observe")


class Kernel(Protocol):
    """`_kernel.count`."""

    def __call__(
        self, columns: FloatArray, start: int, stop: int, group: int, positions: IntArray, rows: IntArray,
        edges: FloatArray, center: FloatArray, reach: FloatArray, sums: FloatArray, recent: FloatArray,
        explicit: IntArray, count: IntArray, missing: IntArray, non_finite: IntArray, /,
    ) -> None: ...  # fmt: skip


def _find() -> Kernel | None:
    try:
        from bento_observe.features import _kernel
    except ModuleNotFoundError:
        logger.debug("bento_observe: the kernel was not built; numpy counts")
        return None
    except Exception as error:  # noqa: BLE001 - built for another machine, say
        logger.warning("bento_observe: the kernel cannot be loaded, so numpy counts; install again: %s", error)
        return None
    if _kernel.VERSION != _VERSION:
        logger.warning("bento_observe: the kernel is of another version, so numpy counts; install again")
        return None
    return _kernel.count


KERNEL = _find()
"""`_kernel.count`, or None. Not final: tests and benchmarks look at both ways."""
