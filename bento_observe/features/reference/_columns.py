"""One column of training data, of any type, as numbers and as categories. Imports pandas only when it is called."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt

from bento_observe.features._text import NUMBERS, category
from bento_observe.features._types import FloatArray

__all__ = ["Codes", "Column", "of_codes", "read"]

Codes = npt.NDArray[np.intp]


@dataclass(eq=False, slots=True)
class Column:
    """What a piece of a column holds.

    Attributes:
        floats: float64, one element a row, NaN where there is no number; booleans are 0 and 1, and -0.0 is 0.0.
        booleans, numbers, texts, others: how many cells are that; the rest is missing.
        integers: whether all numbers are of an integer type.
        other: the type of the first of `others`.
        typed: whether the data says that there are only booleans, or only numbers.
    """

    floats: FloatArray
    booleans: int = 0
    numbers: int = 0
    texts: int = 0
    others: int = 0
    integers: bool = True
    other: str = ""
    typed: bool = False
    _cells: Any = None
    _codes: tuple[Codes, list[str]] | None = field(default=None, repr=False)

    def categories(self) -> tuple[Codes, list[str]]:
        """The position of each row's category in the list, -1 for none; the list is in order of appearance."""
        if self._codes is None:
            nothing = np.full(self.floats.size, -1, np.intp), list[str]()
            self._codes = nothing if self._cells is None else _factorized(self._cells)
        return self._codes


def of_codes(codes: Codes, names: Sequence[str]) -> Column:
    """A column of categories, each row's being that position in `names`, -1 for none."""
    used, first, own = np.unique(codes[codes >= 0], return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(order.size, np.intp)
    rank[order] = np.arange(order.size)
    ordered = np.full(codes.size, -1, np.intp)
    ordered[codes >= 0] = rank[own]
    texts = [names[position] for position in used[order].tolist()]
    return Column(np.full(codes.size, np.nan), texts=own.size, _codes=(ordered, texts))


def read(cells: Any) -> Column:
    """A pandas Series or a one-dimensional numpy array as a `Column`."""
    import pandas as pd

    dtype = cells.dtype
    kind = dtype.kind
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical(cells)
    if kind in "Mmc" or (kind in "SV" and isinstance(dtype, np.dtype)):
        present = int(pd.notna(cells).sum())
        return Column(np.full(len(cells), np.nan), others=present, other=str(dtype))
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        if isinstance(cells, np.ndarray):
            floats = cells.astype(np.float64)
        else:
            floats = np.array(cells.to_numpy(dtype=np.float64, na_value=np.nan))
        floats += 0.0
        present = floats.size - int(np.isnan(floats).sum())
        if pd.api.types.is_bool_dtype(dtype):
            return Column(floats, booleans=present, typed=True, _cells=cells)
        return Column(floats, numbers=present, integers=kind in "iu", typed=True, _cells=cells)
    if kind == "U" or isinstance(dtype, pd.StringDtype):
        present = len(cells) if kind == "U" else int(cells.notna().sum())
        return Column(np.full(len(cells), np.nan), texts=present, _cells=cells.astype(object) if kind == "U" else cells)
    return _objects(np.asarray(cells, dtype=object))


def _categorical(cells: Any) -> Column:
    codes, names = _factorized(cells)
    texts = int((codes >= 0).sum())
    others = int(cells.notna().sum()) - texts
    column = Column(np.full(len(cells), np.nan), texts=texts, others=others, _codes=(codes, names))
    column.other = str(cells.dtype.categories.dtype) if others else ""
    return column


def _objects(cells: npt.NDArray[np.object_]) -> Column:
    import pandas as pd

    try:
        present = pd.notna(cells)
    except InvalidOperation:  # pandas compares, which a signalling NaN does not allow
        missing = np.array([isinstance(cell, Decimal) and cell.is_snan() for cell in cells], np.bool_)
        cells = cells.copy()
        cells[missing] = None
        present = pd.notna(cells)
    column = Column(np.full(cells.size, np.nan))
    kept = cells[present].tolist()
    usable = True
    for kind, count in Counter(map(type, kept)).items():
        if issubclass(kind, str):
            column.texts += count
        elif issubclass(kind, (bool, np.bool_)):
            column.booleans += count
        elif issubclass(kind, NUMBERS):
            column.numbers += count
            column.integers &= issubclass(kind, (int, np.integer))
        else:
            column.others += count
            column.other = column.other or kind.__name__
    if column.booleans or column.numbers:
        column.floats[present] = [_to_float(cell) for cell in kept]
        column.floats += 0.0
        usable = not (column.booleans and column.numbers)
    if column.others or not usable:  # what cannot be hashed, and True, which would be one with 1
        texts = np.full(cells.size, None, dtype=object)
        texts[present] = [category(cell) for cell in kept]
        cells = texts
    column._cells = cells
    return column


def _to_float(cell: object) -> float:
    if not isinstance(cell, NUMBERS):
        return math.nan
    try:
        return float(cell)
    except OverflowError:
        return math.inf


def _factorized(cells: Any) -> tuple[Codes, list[str]]:
    import pandas as pd

    codes, uniques = pd.factorize(cells if isinstance(cells, np.ndarray) else cells.array)
    names: dict[str, int] = {}
    # Several values can be one category: 3 and 3.0, texts that are cut. The last slot is for the code -1.
    own = np.full(len(uniques) + 1, -1, np.intp)
    for position, unique in enumerate(uniques.tolist()):
        name = category(unique)
        if name is not None:
            own[position] = names.setdefault(name, len(names))
    return own[codes], list(names)
