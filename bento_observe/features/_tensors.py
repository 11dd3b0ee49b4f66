"""Tensors of PyTorch, JAX and TensorFlow. Nothing here imports them: a tensor can only arrive where its owner has.

What lies in the CPU's memory is read there. What lies on a device is never waited for on the request's thread: a copy
is asked for, behind what the device is still computing, and looked at when the statistics are flushed.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["PATIENCE_SECONDS", "Landing", "at_hand", "is_tensor", "landed", "landing", "rows_and_width"]

_OWNERS: Final = (("torch", "Tensor"), ("jax", "Array"), ("tensorflow", "Tensor"))
PATIENCE_SECONDS: Final = 1.0
"""How long a flush waits in all for what devices are computing."""

_POLL_SECONDS: Final = 0.001
_KNOWN: Final = "fiubcOSUT"  # kinds of numpy's own dtypes


class Landing(NamedTuple):
    """A tensor on its way into the CPU's memory: `tensor` may be read once `ready()`; `name` is that of its column."""

    tensor: Any
    ready: Callable[[], bool]
    name: str | None


def is_tensor(kind: type) -> bool:
    """Whether `kind` is one of the classes of tensors."""
    for module, name in _OWNERS:
        owner = getattr(sys.modules.get(module), name, None)
        if owner is not None and issubclass(kind, owner):
            return True
    return False


def at_hand(tensor: Any) -> npt.NDArray[Any] | None:
    """The tensor as an array that shares its memory where it can; None where that is not the CPU's.

    Raises:
        Exception: it is sparse, quantised, or otherwise has no array.
    """
    if not _is_torch(tensor) or tensor.device.type != "cpu":
        return None
    return _numpy(tensor.detach())


def rows_and_width(tensor: Any) -> tuple[int, int | None]:
    """Of a tensor of at most two dimensions; those of more have no width."""
    shape = tuple(map(int, tensor.shape))
    return (shape[0] if shape else 1), (math.prod(shape[1:]) if len(shape) < 3 else None)


def landing(tensor: Any, stride: int, name: str | None) -> Landing | None:
    """Have every `stride`th row brought here; returns at once. None where a tensor cannot be had without waiting.

    PyTorch's may change afterwards, so it is copied on the stream that computes it; the others never do.
    """
    if stride > 1:
        tensor = tensor[::stride]
    if not _is_torch(tensor):
        if hasattr(tensor, "copy_to_host_async"):
            tensor.copy_to_host_async()
        return Landing(tensor, getattr(tensor, "is_ready", _always), name)
    cuda = sys.modules["torch"].cuda
    if tensor.device.type != "cuda" or cuda.is_current_stream_capturing():
        return None
    host = tensor.detach().to("cpu", non_blocking=True)
    event = cuda.Event()
    event.record(cuda.current_stream(tensor.device))
    return Landing(host, event.query, name)


def landed(found: Landing, deadline: float) -> npt.NDArray[Any]:
    """What has come of a tensor; blocks, but not beyond the deadline (of `time.monotonic`) if it is not there by then.

    Raises:
        TimeoutError: it was not there in time.
        Exception: what the device found wrong in the meantime.
    """
    while not found.ready():
        if time.monotonic() >= deadline:
            raise TimeoutError
        time.sleep(_POLL_SECONDS)
    if _is_torch(found.tensor):
        array = _numpy(found.tensor)
    else:
        array = np.asarray(found.tensor)
        if array.dtype.kind not in _KNOWN:  # numpy has no bfloat16 and the like: they are of JAX's own types
            array = array.astype(np.float64)
    return array


def _is_torch(tensor: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(tensor, torch.Tensor)


def _numpy(tensor: Any) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = tensor.numpy()
    except TypeError:  # bfloat16 and the like
        array = tensor.double().numpy()
    return array


def _always() -> bool:
    return True
