"""What of a request holds values, and which ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bento_observe.features import _frames

__all__ = ["column_of", "has_fields"]


def has_fields(kind: type) -> bool:
    """Whether `kind` is a pydantic model or a dataclass whose instances keep their fields in `vars`."""
    if hasattr(kind, "__pydantic_fields__"):
        return True
    return dataclasses.is_dataclass(kind) and not hasattr(kind, "__slots__")


def column_of(value: Any) -> Sequence[object] | None:
    """The scalars of a one-dimensional value, None for anything else."""
    if isinstance(value, (list, tuple)):
        nested = value and (isinstance(value[0], (list, tuple, np.ndarray, Mapping)) or has_fields(type(value[0])))
        return None if nested else value
    if isinstance(value, np.ndarray) or _frames.is_series(type(value)):
        cells: Sequence[object] | None = value.tolist() if value.ndim == 1 else None
        return cells
    return None
