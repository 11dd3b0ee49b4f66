"""`Reference`: the training data, summed up, in a file."""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bento_observe import semconv
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._document import MAX_BYTES, Slices, content, identify, written
from bento_observe.features.reference._errors import BadReferenceError
from bento_observe.features.reference._load import load
from bento_observe.features.reference._model_store import FILE, path_in_model
from bento_observe.features.reference._types import BLOCK_ROWS, FeatureReference, Profile, SignalReference

if TYPE_CHECKING:
    import bentoml
    import numpy.typing as npt
    import pandas as pd

    from bento_observe.features.reference._files import Progress

__all__ = ["Reference"]


class Reference:
    """Statistics of the data that a model was trained on, which serving is compared with.

    Made by `from_frame`, `load`, `of_model`, or `bento-observe profile`; immutable, picklable, and equal to another
    one where the ids are.

    Attributes:
        id: a hash of all that is in it, `sha256:` and 16 digits; `ml.reference.id` in telemetry.
        rows: how many rows the data has.
        signals: by name, `semconv.SIGNAL_INPUT` and so on.
        slices: the signals again, of the rows that have one value in one column: by column, then by value, the most
            frequent one first. Features have the edges and the categories there that they have as a whole.
        skipped: columns that were left out, and why. Not kept in the file.
    """

    FILE: Final = FILE

    def __init__(self, found: Profile) -> None:
        """Use `from_frame` or `load`."""
        self._content = content(found.rows, found.signals, found.slices)
        self.id: Final[str] = identify(self._content)
        self.rows: Final[int] = found.rows
        self.signals: Final[Mapping[str, SignalReference]] = self._stamped(found.signals)
        self.slices: Final[Slices] = MappingProxyType(
            {
                column: MappingProxyType({value: self._stamped(signals) for value, signals in values.items()})
                for column, values in found.slices.items()
            }
        )
        self.skipped: Final[Mapping[str, str]] = MappingProxyType(dict(found.skipped))

    def _stamped(self, signals: Mapping[str, SignalReference]) -> Mapping[str, SignalReference]:
        return MappingProxyType({name: replace(signal, id=self.id) for name, signal in signals.items()})

    def signal(self, name: str) -> SignalReference | None:
        """One signal, None where the training data has nothing of it."""
        return self.signals.get(name)

    @property
    def features(self) -> Mapping[str, FeatureReference]:
        """The input features."""
        signal = self.signal(semconv.SIGNAL_INPUT)
        return signal.features if signal is not None else {}

    @property
    def edges(self) -> Mapping[str, FloatArray]:
        """Bucket edges of the numeric input features."""
        signal = self.signal(semconv.SIGNAL_INPUT)
        return signal.edges if signal is not None else {}

    @classmethod
    def from_frame(
        cls,
        data: pd.DataFrame | npt.ArrayLike,
        *,
        prediction: Any = None,
        label: Any = None,
        features: pd.DataFrame | npt.ArrayLike | None = None,
        slices: Hashable | Sequence[Hashable] = (),
        drop: Hashable | Sequence[Hashable] = (),
        names: Sequence[str] | None = None,
        loss_model: Any = None,
    ) -> Reference:
        """Sums up training data.

        Numbers are numeric features; text and pandas categories are categorical ones, as are objects that are not
        mostly numbers; dates, complex numbers and nested values are left out (`skipped`). Everything is exact, except
        that beyond 100,000 rows the bucket edges are quantiles of so many of them, always the same ones.

        Args:
            data: what the model's API takes: a frame, or an array of rows x columns. Columns of an array are called
                by `names`, else "0", "1" and so on. With more than 256 columns without names its rows are taken for
                vectors, of which norm, mean, distance to the mean vector and non-finite elements are features.
            prediction: what the model predicts for `data`, row by row: the name of a column of `data`, or a list of
                such, which then are no inputs; or a Series, a frame or an array. Text, booleans, and at most 20
                distinct integers are classes; other numbers are values. Several columns that are 0 or more and have
                row sums of 1 are class probabilities, of which class, confidence and entropy are features. With labels
                of at least 100 rows they are calibrated, so that performance can be estimated: then they must be of
                rows that the model was not trained on, and their columns called as the labels are. So is a lone column
                of numbers from 0 to 1 where the label has two classes: it is the probability of the last one in order.
            label: the truth for each row, likewise.
            features: what the model is given after transformation, a frame or an array, where that is not `data`.
            slices: a column of `data`, or several, for whose 20 most frequent values all is repeated.
            drop: a column of `data`, or several, that are no inputs.
            names: of the columns of an array, no two alike.
            loss_model: of a regression, a fitted `sklearn.tree.DecisionTreeRegressor` that was trained to tell
                |prediction - label| by the inputs, with at most 256 leaves. What is in its leaves is counted anew from
                `prediction` and `label`, so that the error can be estimated while labels are not there. Or "fit": one
                is fitted to half of the rows, by their inputs that are numbers, and the other half is what is counted.
                It takes scikit-learn.

        Rows are matched by position; an index is not looked at. Of columns with one name the first one counts. Names
        that are no strings count as what they print.

        Raises:
            ValueError: there are no rows, not the same number of them everywhere, no such column, or none that can
                be used; `loss_model` is no tree or takes other columns, or is to be fitted without scikit-learn; two of
                `names` are alike; a column of `slices` has more than 1,000 different numbers or mostly different
                values.
        """
        # Imported here: a worker only reads references.
        from bento_observe.features.reference._profile import profile
        from bento_observe.features.reference._tables import tables

        found = tables(
            data, prediction=prediction, label=label, features=features, slices=slices, drop=drop, names=names
        )
        return cls(profile(found, loss_model))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        prediction: str | Sequence[str] = (),
        label: str | Sequence[str] = (),
        slices: str | Sequence[str] = (),
        drop: str | Sequence[str] = (),
        loss_model: Any = None,
        chunk_rows: int = BLOCK_ROWS,
        progress: Progress | None = None,
    ) -> Reference:
        """Sums up a file, `.parquet`, `.csv` or `.tsv`, the latter two also with `.gz`, `chunk_rows` rows at a time.

        It is what `from_frame` makes of the same data, whatever `chunk_rows` is. The file is read twice; once more
        where there are several predictions or labels, and where a column of numbers turns out to have text further
        down, which makes all of it text. `progress` is called with the number of the pass, from 1, and how much of it
        is done, 0 to 1.

        Raises:
            ValueError: the file cannot be read or has another format, pyarrow is missing, or as of `from_frame`.
        """
        from bento_observe.features.reference._files import DataFile
        from bento_observe.features.reference._profile import profile
        from bento_observe.features.reference._roles import Roles, as_names

        roles = Roles(as_names(prediction), as_names(label), as_names(slices), as_names(drop))
        return cls(profile(DataFile(Path(path), roles, chunk_rows=chunk_rows, progress=progress), loss_model))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """The reference in a file.

        Raises:
            BadReferenceError: it is missing, unreadable, cut off, from a newer version, changed by hand or otherwise
                not what `save` wrote. The message is one line with the file, the field and the remedy.
        """
        return cls(load(Path(path)))

    @classmethod
    def of_model(cls, tag: str | bentoml.Tag) -> Reference:
        """The reference that lies in the folder of a model in BentoML's model store.

        Raises:
            BadReferenceError: there is no such model, it has no reference, or that cannot be loaded.
        """
        path = path_in_model(tag)
        if not path.exists():
            raise BadReferenceError(
                f"of model {tag}",
                f"there is no {FILE} in the model's folder",
                "put one there with `Reference.save_with` or `bento-observe profile --model`",
            )
        return cls.load(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it as JSON, the same bytes for the same data. A file that is there is replaced as a whole.

        Where `path` is a symbolic link, what it leads to is replaced.

        Raises:
            OSError: it cannot be written, or what is there is not a regular file.
            ValueError: it is larger than the 64 MiB that `load` would read.
        """
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            raise OSError(errno.EISDIR if target.is_dir() else errno.EINVAL, "is not a regular file", os.fspath(path))
        raw = written(self._content)
        if len(raw) > MAX_BYTES:
            raise ValueError(f"the reference takes {len(raw) >> 20} MiB, more than {MAX_BYTES >> 20}: use fewer slices")
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_bytes(raw)
            beside.replace(target)
        except OSError as error:  # of a file that nobody asked for
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def save_with(self, tag: str | bentoml.Tag) -> None:
        """Puts it into the folder of a model in BentoML's model store, where `of_model` finds it.

        Raises:
            BadReferenceError: there is no such model.
            OSError: it cannot be written.
        """
        self.save(path_in_model(tag))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        signals = ", ".join(f"{len(signal.features)} of {name}" for name, signal in self.signals.items())
        return f"<Reference {self.id}: {self.rows} rows; features: {signals}>"

    def __reduce__(self) -> tuple[Any, ...]:
        slices = {
            column: {value: dict(signals) for value, signals in values.items()}
            for column, values in self.slices.items()
        }
        return type(self), (Profile(self.rows, dict(self.signals), slices, dict(self.skipped)),)
