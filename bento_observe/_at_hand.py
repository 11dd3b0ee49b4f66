"""Whether data can be read at once: a tensor on a device keeps its reader waiting for all that is computed there."""

from __future__ import annotations

from typing import Any, Final

from bento_observe.features._tensors import at_hand, is_tensor

__all__ = ["NOT_AT_HAND", "is_at_hand"]

NOT_AT_HAND: Final = (
    "%s: a tensor that is not in the CPU's memory as PyTorch's are would have to be waited for; its labels are "
    "dropped: give an array or a list instead, such as tensor.cpu() or numpy.asarray(tensor)"
)
"""The line that says why data was left alone; takes the name of the function that it was given to."""


def is_at_hand(data: Any) -> bool:
    """False of a tensor that is on a device, has no array or may still be computed, and of a list with one."""
    if not isinstance(data, (list, tuple)):
        return not is_tensor(type(data)) or _has_array(data)
    kinds = set(filter(is_tensor, set(map(type, data))))
    return not kinds or all(_has_array(one) for one in data if type(one) in kinds)


def _has_array(tensor: Any) -> bool:
    try:
        return at_hand(tensor) is not None
    except Exception:  # noqa: BLE001 - sparse, quantised and the like
        return False
