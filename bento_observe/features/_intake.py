"""The request side: takes data in without a lock, without converting more than it must, and without ever raising."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features import _decode, _frames, _tensors
from bento_observe.features._containers import column_of, has_fields
from bento_observe.features._costs import CELL, FRAME, ITEM, TEXT, cost_of_cell, cost_of_rows
from bento_observe.features._pending import Item, Pending
from bento_observe.features._text import (
    MAX_TEXT,
    NUMBERS,
    OPAQUE,
    PLAIN,
    SCALARS,
    named,
    small,
    small_cells,
    small_columns,
    small_record,
)  # fmt: skip

__all__ = ["Intake"]

_Handler = Callable[[Any, object], "Item | None"]
_FLOAT64: Final = np.dtype(np.float64)
_SMALL: Final = 4096
_NUMERIC: Final = "fiub"  # kinds of dtypes
_TEXT: Final = "OUT"
_MAX_TYPES: Final = 256
_NAMES_PER_FEATURE: Final = 4
_MAX_DEPTH: Final = 3  # of mappings within mappings
_MOST_TENSORS: Final = 256  # of a list: each is a copy of its own


class Intake(Pending):
    """Takes data of any kind in. `put` may run on any number of threads.

    Data is copied as it comes in, so that a handler may change it afterwards.
    """

    def __init__(
        self,
        names: tuple[str, ...] | None,
        max_pending: int,
        max_rows: int,
        max_columns: int,
        vector_width: int | None = None,
    ) -> None:
        super().__init__(max_pending)
        self._names = names
        self._max_rows = max_rows
        self._max_columns = max_columns
        self._vector_width = vector_width
        self._handlers: dict[type, _Handler] = {}

    def put(self, data: object, origin: object = None) -> None:
        """Takes in `data`; see `FeatureStatistics.update`."""
        try:
            # The usual case in full, without a call more than it needs.
            if type(data) is np.ndarray and (size := data.size) <= _SMALL:
                dtype = data.dtype
                if dtype is _FLOAT64 or dtype.kind in _NUMERIC:
                    cost = size + ITEM
                    if self._cost + self._landings.cost + cost <= self._max_pending:
                        raw = (data if dtype is _FLOAT64 else data.astype(_FLOAT64)).tobytes()
                        self._cost += cost
                        self._pending.append((data.shape, raw, cost, origin))
                        return
            handler = self._handlers.get(type(data)) or self._new_handler(type(data))
            item = handler(data, origin)
            self._append(item)
        except Exception as error:  # noqa: BLE001 - a request must not fail because its data is odd
            self.losses.add("error", 1, f"update: {type(error).__name__}")

    def land(self, deadline: float) -> None:
        """Have what devices have brought counted with what is pending; blocks until all is here or `deadline` is over.

        `deadline` is on `time.monotonic`'s clock. Not to be called while `take` is.
        """
        if not len(self._landings):
            return
        for one in self._landings.take(deadline):
            try:
                array = _tensors.array_of(one)
                if one.name is None or array.ndim > 1:
                    self._append(self._array(array, one.origin))
                else:
                    self._append((_decode.columns, {one.name: array.reshape(-1).tolist()}, one.cost, one.origin))
            except Exception as error:  # noqa: BLE001 - as in `put`
                self.losses.add("error", 1, f"tensor: {type(error).__name__}")

    def is_vector(self, shape: tuple[int, ...]) -> bool:
        """Whether the rows of an array of this shape are embeddings or the like, which have no features to name."""
        if self._vector_width is not None:
            return len(shape) == 2 or shape == (self._vector_width,)
        return len(shape) == 2 and self._names is None and shape[1] > self._max_columns

    def _fits(self, width: int, rows: int = 1) -> bool:
        """Whether so many names can be looked at. Some columns may hold no numbers, hence more than features."""
        if width <= self._max_columns * _NAMES_PER_FEATURE:
            return True
        self.losses.add("too_wide", rows, f"rows with {width} names")
        return False

    def _new_handler(self, kind: type) -> _Handler:
        """The handler for objects of one class, found once."""
        handler: _Handler
        if issubclass(kind, np.ndarray):
            handler = self._array
        elif issubclass(kind, (bytes, bytearray, memoryview)):
            handler = self._nothing
        elif kind in PLAIN or issubclass(kind, (str, np.generic, *NUMBERS)):
            handler = self._scalar
        elif issubclass(kind, (list, tuple)):
            handler = self._sequence
        elif issubclass(kind, Mapping):
            handler = self._mapping
        elif has_fields(kind):
            handler = self._record
        elif _frames.is_frame(kind):
            handler = self._frame
        elif _frames.is_series(kind):
            handler = self._series
        elif _tensors.is_tensor(kind):
            handler = self._tensor
        else:
            handler = self._unsupported
        if len(self._handlers) < _MAX_TYPES:
            self._handlers[kind] = handler
        return handler

    def _array(self, data: npt.NDArray[Any], origin: object) -> Item | None:
        if data.ndim > 2:
            self.losses.add("too_wide", data.shape[0], f"rows of an array of shape {data.shape}")
            return None
        numeric = data.dtype.kind in _NUMERIC
        if data.size > _SMALL:
            width = data.shape[1] if data.ndim > 1 else 1
            data = data[:: self._stride(data.shape[0], width if numeric else width * TEXT)]
        if isinstance(data, np.ma.MaskedArray):
            data = np.ma.filled(data.astype(_FLOAT64), np.nan) if numeric else np.asarray(data.astype(object))
        if not numeric:
            cells = np.atleast_1d(data if data.dtype.kind in _TEXT else np.full(data.shape, OPAQUE))
            if cells.ndim == 1 or not cells.size or self.is_vector(cells.shape):
                return self._sequence(cells.tolist(), origin)
            return _decode.tables, small_columns(cells.T.tolist()), cells.size * TEXT + ITEM, origin
        return data.shape, np.asarray(data, dtype=np.float64).tobytes(), data.size + ITEM, origin

    def _scalar(self, data: object, origin: object) -> Item:
        return _decode.values, (small(data),), TEXT + ITEM, origin

    def _sequence(self, data: Sequence[Any], origin: object) -> Item | None:
        if not data:
            return None
        first = type(data[0])
        if first in PLAIN:
            data = data[:: self._stride(len(data), CELL)] if len(data) > _SMALL else data
            return _decode.values, small_cells(data), len(data) * CELL + ITEM, origin
        if _tensors.is_tensor(first):
            stride = -(-len(data) // _MOST_TENSORS)
            if stride > 1:
                self.losses.add("sampled", len(data) - -(-len(data) // stride), f"tensors of a list of {len(data)}")
            for one in data[::stride]:
                self.put(one[None] if len(one.shape) == 1 else one, origin)  # of one dimension it is a row
            return None
        if issubclass(first, (list, tuple, Mapping, np.ndarray)):
            width = len(data[0])
        else:
            width = len(vars(data[0])) if has_fields(first) else 1
        nested = issubclass(first, (list, tuple, np.ndarray))
        if nested and self.is_vector((len(data), width)):
            return self._array(np.asarray(data, dtype=_FLOAT64), origin)
        data = data[:: self._stride(len(data), width * CELL + ITEM)]
        if nested:
            rows = [small_cells(cells) for row in data if (cells := column_of(row)) is not None]
            if len(rows) < len(data):
                self.losses.add("unsupported_type", len(data) - len(rows), "rows that are no sequences of values")
            return _decode.rows, rows, cost_of_rows(rows), origin
        if issubclass(first, Mapping):
            records = [small_record(record) for record in data if self._fits(len(record))]
            return _decode.records, records, cost_of_rows(records), origin
        if has_fields(first):
            records = [small_record(vars(record)) for record in data]
            return _decode.records, records, cost_of_rows(records), origin
        return _decode.values, small_cells(data), len(data) * TEXT + ITEM, origin

    def _mapping(self, data: Mapping[Any, Any], origin: object, depth: int = 0) -> Item | None:
        if not self._fits(len(data)):
            return None
        data = named(data)
        if PLAIN.issuperset(map(type, data.values())):
            return _decode.records, (data,), len(data) * CELL + ITEM, origin
        record: dict[str, object] = {}
        table: dict[str, Sequence[object]] = {}
        for key, value in data.items():
            kind = type(value)
            if kind in SCALARS:
                record[key] = value if kind is not str or len(value) <= MAX_TEXT else value[:MAX_TEXT]
                continue
            handler = self._handlers.get(kind) or self._new_handler(kind)
            if handler == self._tensor:
                array = self._array_of(value, origin, key)
                if array is None:
                    continue
                value = array if array.ndim else array.item()
                handler = self._handlers.get(type(value)) or self._new_handler(type(value))
            if handler == self._scalar or handler == self._unsupported:
                record[key] = small(value)
                continue
            cells = column_of(value)
            if cells is not None:
                stride = self._stride(len(cells), len(data) * CELL) if len(cells) > _SMALL else 1
                table[key] = small_cells(cells[::stride])
            elif isinstance(value, Mapping) or has_fields(type(value)):
                if depth < _MAX_DEPTH:
                    inner = value if isinstance(value, Mapping) else vars(value)
                    self._append(self._mapping(inner, origin, depth + 1))
            elif isinstance(value, (list, tuple, np.ndarray)) or _frames.is_frame(type(value)):
                self.put(value, origin)
            else:
                record[key] = small(value)
        if table:
            cost = sum(len(cells) * cost_of_cell(cells[:1]) + ITEM for cells in table.values())
            self._append((_decode.columns, table, cost, origin))
        return (_decode.records, (record,), len(record) * TEXT + ITEM, origin) if record else None

    def _record(self, data: Any, origin: object) -> Item | None:
        if getattr(data, "__pydantic_root_model__", False):
            self.put(data.root, origin)
            return None
        return self._mapping(vars(data), origin)

    def _frame(self, data: Any, origin: object) -> Item | None:
        rows, width = data.shape
        return self._blocks(*_frames.blocks_of(data), rows, origin) if rows and self._fits(width, rows) else None

    def _series(self, data: Any, origin: object) -> Item | None:
        return self._blocks(*_frames.series_blocks(data, self._names), len(data), origin) if len(data) else None

    def _blocks(self, labels: Sequence[object], blocks: _frames.Blocks, rows: int, origin: object) -> Item:
        stride = 1
        if rows * len(labels) > _SMALL:
            numeric = _frames.numeric_columns(blocks)
            stride = self._stride(rows, numeric + (len(labels) - numeric) * TEXT)
        found = _frames.taken(labels, blocks, stride)
        cells = len(found.cells) * len(found.cells[0]) if found.cells else 0
        return _frames.frames, found, len(found.raw) // 8 + cells * TEXT + FRAME, origin

    def _tensor(self, data: Any, origin: object) -> Item | None:
        array = self._array_of(data, origin)
        return None if array is None else self._array(array, origin)

    def _array_of(self, tensor: Any, origin: object, name: str | None = None) -> npt.NDArray[Any] | None:
        """The array of a tensor, or a sample of its rows; None where it comes later, or cannot be had."""
        rows, width = _tensors.rows_and_width(tensor)
        if width is None:
            self.losses.add("too_wide", rows, f"rows of a tensor of shape {tuple(tensor.shape)}")
            return None
        stride = self._stride(rows, width) if rows * width > _SMALL else 1
        array = _tensors.at_hand(tensor, stride)
        if array is None and self._has_room(cost := rows * width // stride + ITEM):
            coming = _tensors.landing(tensor, stride, name, cost, origin)
            if coming is None:
                self._unsupported(tensor, origin)
            else:
                self._landings.add(coming)
        return array

    def _unsupported(self, _data: object, _origin: object) -> None:
        self.losses.add("unsupported_type", 1)

    def _nothing(self, _data: object, _origin: object) -> None:
        """Bytes are neither numbers nor categories."""

    def _stride(self, rows: int, row_cost: int) -> int:
        """Every how many rows one is taken, so that at most `max_rows` and a quarter of the buffer come from one."""
        limit = max(1, min(self._max_rows, self._max_pending // 4 // max(1, row_cost)))
        stride = -(-rows // limit) or 1
        if stride > 1:
            self.losses.add("sampled", rows - -(-rows // stride), f"rows of a batch of {rows}")
        return stride
