"""Tensors of PyTorch, JAX and TensorFlow. Nothing here imports them: a tensor can only arrive where its owner has.

What lies in the CPU's memory is read there. What lies on a device is never waited for: a copy is asked for, behind what
the device is still computing, and looked at by the first flush that finds it done.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bento_observe.features._losses import Losses

__all__ = ["Landing", "Landings", "array_of", "at_hand", "is_tensor", "landing", "rows_and_width"]

_OWNERS: Final = (("torch", "Tensor"), ("jax", "Array"), ("tensorflow", "Tensor"))
_KNOWN: Final = "fiubcOSUT"  # kinds of numpy's own dtypes
_PATIENCE_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.001


class Landing(NamedTuple):
    """A tensor on its way into the CPU's memory: `tensor` may be read once `ready()`; `name` is that of its column.

    `cost` is about its size in values, `since` when it was asked for, by `time.monotonic`; `origin` as in `update`.
    """

    tensor: Any
    ready: Callable[[], bool]
    name: str | None
    cost: int
    origin: object
    since: float


class Landings:
    """Those that are on their way. `add` may run on any number of threads, `take` on one at a time."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._waiting: list[Landing] = []
        self.cost = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, one: Landing) -> None:
        """Wait for one more."""
        self.cost += one.cost
        self._waiting.append(one)

    def take(self, deadline: float) -> list[Landing]:
        """Those that have landed; blocks until all have, but not beyond `deadline` (of `time.monotonic`).

        What a device has not computed for ten seconds is given up and counted.
        """
        count = len(self._waiting)
        waiting, landed = self._waiting[:count], list[Landing]()
        del self._waiting[:count]
        while waiting:
            still = list[Landing]()
            for one in waiting:
                try:
                    (landed if one.ready() else still).append(one)
                except Exception as error:  # noqa: BLE001 - it was given away meanwhile, or its device has failed
                    self.cost -= one.cost
                    self._losses.add("error", 1, f"tensor: {type(error).__name__}")
            waiting = still
            if not waiting or time.monotonic() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
        oldest = time.monotonic() - _PATIENCE_SECONDS
        self._waiting[:0] = [one for one in waiting if one.since >= oldest]
        self._give_up([one for one in waiting if one.since < oldest])
        self.cost -= sum(one.cost for one in landed)
        return landed

    def abandon(self) -> None:
        """Count those that are still on their way as left out."""
        waiting = self._waiting[:]
        del self._waiting[: len(waiting)]
        self._give_up(waiting)

    def _give_up(self, late: list[Landing]) -> None:
        if late:
            self.cost -= sum(one.cost for one in late)
            self._losses.add("device_busy", len(late), "updates of tensors that their device had not computed")


def is_tensor(kind: type) -> bool:
    """Whether `kind` is one of the classes of tensors."""
    for module, name in _OWNERS:
        owner = getattr(sys.modules.get(module), name, None)
        if owner is not None and issubclass(kind, owner):
            return True
    return False


def rows_and_width(tensor: Any) -> tuple[int, int | None]:
    """Of a tensor of at most two dimensions; those of more have no width."""
    shape = tuple(map(int, tensor.shape))
    return (shape[0] if shape else 1), (math.prod(shape[1:]) if len(shape) < 3 else None)


def at_hand(tensor: Any, stride: int = 1) -> npt.NDArray[Any] | None:
    """Every `stride`th row as an array that shares the tensor's memory where it can; None where that is not the CPU's.

    Raises:
        Exception: it is sparse, quantised, or otherwise has no array.
    """
    if _is_torch(tensor):
        if tensor.device.type != "cpu":
            return None
        tensor = tensor.detach()
    elif "CPU:" not in str(getattr(tensor, "device", "")):  # TensorFlow's name of it; JAX computes on CPUs, too, later
        return None
    return _numpy(tensor[::stride] if stride > 1 else tensor)


def landing(tensor: Any, stride: int, name: str | None, cost: int, origin: object) -> Landing | None:
    """Have every `stride`th row brought here; returns at once. None where a tensor cannot be had without waiting.

    PyTorch's may change afterwards, so it is copied on the stream that computes it; JAX's never do.
    """
    if stride > 1:
        tensor = tensor[::stride]
    if not _is_torch(tensor):
        if not hasattr(tensor, "is_ready"):
            return None
        tensor.copy_to_host_async()
        return Landing(tensor, tensor.is_ready, name, cost, origin, time.monotonic())
    cuda = sys.modules["torch"].cuda
    if tensor.device.type != "cuda" or cuda.is_current_stream_capturing():
        return None
    host = tensor.detach().to("cpu", non_blocking=True)
    event = cuda.Event()
    event.record(cuda.current_stream(tensor.device))
    return Landing(host, event.query, name, cost, origin, time.monotonic())


def array_of(landed: Landing) -> npt.NDArray[Any]:
    """The array of a tensor that has landed.

    Raises:
        Exception: what its device found wrong in the meantime.
    """
    if _is_torch(landed.tensor):
        return _numpy(landed.tensor)
    return _plain(np.asarray(landed.tensor))


def _is_torch(tensor: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(tensor, torch.Tensor)


def _numpy(tensor: Any) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = tensor.numpy()
    except TypeError:  # PyTorch's bfloat16 and the like
        array = tensor.double().numpy()
    return _plain(array)


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """numpy has no bfloat16 and the like: those of JAX and TensorFlow are of types of their own."""
    return array if array.dtype.kind in _KNOWN else array.astype(np.float64)
