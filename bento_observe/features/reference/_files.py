"""Training data in files larger than memory may be: read in chunks, as often as asked."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from bento_observe import semconv
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._roles import Roles
from bento_observe.features.reference._source import Chunk
from bento_observe.features.reference._types import BLOCK_ROWS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataFile", "Progress", "UnreadableDataError"]

Progress = Callable[[int, float], None]
"""Told which pass over the file it is, 1 the first, and how much of it is done, 0 to 1."""

_SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_ROUND_TRIPS: Final = (3, 1)  # from this pandas on, numbers in text become the nearest floats, as those of JSON do
_RAGGED: Final = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_BUFFER_BYTES: Final = 2**18
_PARQUET: Final = (".parquet", ".pq")


class UnreadableDataError(ValueError):
    """Training data that cannot be read; the message is one line that names the file."""


class _Reader(Protocol):
    def __call__(self, path: Path, rows: int, text: set[str]) -> Iterator[tuple[pd.DataFrame, float]]: ...


class DataFile:
    """A Parquet file, or text separated by commas (`.csv`) or tabs (`.tsv`), which may be compressed (`.gz`).

    It is a `Source`. At most two chunks of `chunk_rows` rows are in memory at once.
    """

    def __init__(
        self, path: Path, roles: Roles, *, chunk_rows: int = BLOCK_ROWS, progress: Progress | None = None
    ) -> None:
        """
        Raises:
            UnreadableDataError: the name says nothing of the format.
        """
        self._path = path
        self._roles = roles
        self._chunk_rows = chunk_rows
        self._progress = progress
        self._read, self._is_text = _reader(path)
        self._text: set[str] = set()
        self._pass = 0

    @property
    def vectors(self) -> Mapping[str, FloatArray]:
        """None: columns of files have names."""
        return {}

    def columns(self, signal: str) -> int:
        """How many columns of the outputs there are; 0 for the inputs."""
        roles = {semconv.SIGNAL_PREDICTION: self._roles.prediction, semconv.SIGNAL_LABEL: self._roles.label}
        return len(roles.get(signal, ()))

    def chunks(self) -> Iterator[Chunk]:
        """All rows, from the start of the file.

        Raises:
            UnreadableDataError: of the file; ValueError: a column is not there.
        """
        self._pass += 1
        frames = self._read(self._path, self._chunk_rows, self._text)
        rows = 0
        while (read := self._next(frames)) is not None:
            frame, done = read
            rows += len(frame)
            yield Chunk(len(frame), *self._roles.apart(frame.columns, partial(_column, frame)))
            del frame, read  # before the next one is read
            if self._progress is not None:
                self._progress(self._pass, done)
        if not rows:
            raise UnreadableDataError(f"{self._path}: there are no rows to profile")

    def _next(self, frames: Iterator[tuple[pd.DataFrame, float]]) -> tuple[pd.DataFrame, float] | None:
        try:
            return next(frames, None)
        except UnreadableDataError:
            raise
        except (ValueError, OSError, EOFError, RuntimeError, zlib.error) as error:
            why = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
            if ragged := _RAGGED.search(why):
                why = "line {1} has {2} fields, lines before it {0}".format(*ragged.groups())
            raise UnreadableDataError(f"{self._path} cannot be read: {why}") from error

    def as_text(self, names: set[str]) -> bool:
        """Whether there are `names`, and they are of a file of text: from now on they are read as it."""
        self._text |= names if self._is_text else set()
        return bool(self._text)


def _column(frame: pd.DataFrame, position: int) -> pd.Series[Any]:
    return frame.iloc[:, position]


def _reader(path: Path) -> tuple[_Reader, bool]:
    name = path.name.lower()
    if name.endswith(_PARQUET):
        return _parquet, False
    for suffix in _SEPARATORS:
        if name.endswith((suffix, f"{suffix}.gz")):
            return _separated, True
    raise UnreadableDataError(f"{path}: the name must end in .parquet, .csv or .tsv, or one of these two and .gz")


def _parquet(path: Path, rows: int, text: set[str]) -> Iterator[tuple[pd.DataFrame, float]]:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UnreadableDataError("reading Parquet needs pyarrow: install bento-observe[parquet]") from error
    # By default all of the file, or of a row group, would be read ahead.
    with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
        total, done = max(file.metadata.num_rows, 1), 0
        for batch in file.iter_batches(batch_size=rows):
            done += batch.num_rows
            yield batch.to_pandas(), done / total


def _separated(path: Path, rows: int, text: set[str]) -> Iterator[tuple[pd.DataFrame, float]]:
    import pandas as pd

    name = path.name.lower()
    separator = _SEPARATORS[Path(name.removesuffix(".gz")).suffix]
    compression: Any = "gzip" if name.endswith(".gz") else None
    # Types are those of a whole chunk.
    options: dict[str, Any] = {"low_memory": False, "dtype": dict.fromkeys(text, str)}
    # Otherwise the first column would be an index where rows end with a separator, and all names one column off.
    options["index_col"] = False
    if tuple(map(int, pd.__version__.split(".")[:2])) < _ROUND_TRIPS:
        options["float_precision"] = "round_trip"
    with path.open("rb") as file:
        total = max(path.stat().st_size, 1)
        with pd.read_csv(file, sep=separator, chunksize=rows, compression=compression, **options) as frames:
            while (frame := _uncut(frames, path)) is not None:
                yield frame, file.tell() / total
                del frame


def _uncut(frames: Iterator[pd.DataFrame], path: Path) -> pd.DataFrame | None:
    """The next one of `frames`, all of whose fields have a name."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return next(frames, None)
        except pd.errors.ParserWarning:  # it cuts them off, all but an empty one
            raise UnreadableDataError(f"{path} cannot be read: rows have more fields than the header") from None
