"""A reference from its file, checked through."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bento_observe import semconv
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._calibration import MAX_BIN_EDGES, MAX_CLASSES, Calibration, Curve
from bento_observe.features.reference._document import FORMAT, MAX_BYTES, SCHEMA_VERSION, identify
from bento_observe.features.reference._edges import MAX_EDGES
from bento_observe.features.reference._errors import BadReferenceError
from bento_observe.features.reference._fields import PROFILE_AGAIN, Field
from bento_observe.features.reference._isotonic import MAX_STEPS
from bento_observe.features.reference._json import parsed
from bento_observe.features.reference._loss_tree import MAX_NODES, SUMS, LossTree, Splits
from bento_observe.features.reference._types import (
    MAX_FEW_VALUES,
    CategoricalReference,
    FeatureReference,
    NumericReference,
    Profile,
    SignalReference,
    VectorReference,
)

__all__ = ["load"]

_SIGNALS = (semconv.SIGNAL_INPUT, semconv.SIGNAL_FEATURE, semconv.SIGNAL_PREDICTION, semconv.SIGNAL_LABEL)
_NUMERIC = ("numeric", "boolean")
_CATEGORICAL = ("categorical", "high_cardinality")
_LOWEST: Final = -sys.float_info.max
_MAKE_ONE = "make one with `bento-observe profile` or `Reference.from_frame`"


def load(path: Path) -> Profile:
    """What is in the file at `path`.

    Raises:
        BadReferenceError: it is not there, cannot be read, or is not a reference through and through.
    """
    file = str(path)
    raw = _read(path, file)
    try:
        return _checked(parsed(raw, file), file)
    except RecursionError:
        raise BadReferenceError(file, "is nested too deeply", f"copy it again, or {PROFILE_AGAIN}") from None


def _checked(document: Any, file: str) -> Profile:
    top = Field(document, file)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise top.bad('is not a bento-observe reference: "format" is missing or another one', _MAKE_ONE)
    version = top["schema_version"].integer()
    if version > SCHEMA_VERSION:
        raise top["schema_version"].bad(
            f"{version} was written by a newer bento-observe, this one reads {SCHEMA_VERSION}",
            "update it or profile again",
        )
    if version < 1:
        raise top["schema_version"].bad("is not 1 or more")
    signals = {_signal_name(name, field): _signal(field) for name, field in top["signals"].members()}
    slices = _slices(top, signals)
    rows = top["rows"].integer()
    try:
        fitting = identify(document)
    except ValueError:  # where no field is read, or nothing but the type is looked at
        raise top.bad("holds a number that is not finite") from None
    if top["id"].text() != fitting:
        raise top["id"].bad("does not match the content, which was changed after it was profiled")
    return Profile(rows, signals, slices, {})


def _read(path: Path, file: str) -> bytes:
    try:
        if path.is_dir():
            raise BadReferenceError(file, "is a directory", "give the file that is in it")
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise BadReferenceError(file, "is not a regular file", "give a file")
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            raw = opened.read(MAX_BYTES + 1) if size <= MAX_BYTES else b""
    except BadReferenceError:
        raise
    except FileNotFoundError:
        raise BadReferenceError(file, "there is no such file", f"check the path, or {_MAKE_ONE}") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        why = getattr(error, "strerror", None) or str(error)
        raise BadReferenceError(file, f"cannot be read ({why})", "check the path and its permissions") from None
    if size > MAX_BYTES or len(raw) > MAX_BYTES:
        raise BadReferenceError(file, f"is larger than {MAX_BYTES >> 20} MiB, so it is no reference", _MAKE_ONE)
    return raw


def _signal_name(name: str, field: Field) -> str:
    if name not in _SIGNALS:
        raise field.bad(f"is none of {', '.join(_SIGNALS)}")
    return name


def _signal(field: Field) -> SignalReference:
    columns = field["columns"].texts(different=False)
    classes, vector = field.get("classes"), field.get("vector")
    features = {}
    for name, one in field["features"].members():
        if classes is None and vector is None and name not in columns:
            raise one.bad("is not among columns")
        features[name] = _feature(one)
    names = None if classes is None else classes.texts(different=True)
    calibration, losses = field.get("calibration"), field.get("losses")
    return SignalReference(
        "",
        features,
        names,
        None if vector is None else VectorReference(vector["mean"].numbers()),
        columns,
        None if calibration is None else _calibration(calibration, names, len(columns)),
        None if losses is None else _losses(losses),
    )


def _losses(field: Field) -> LossTree:
    columns = field["columns"].texts(different=True)
    threshold = field["threshold"].numbers()
    nodes = threshold.size
    if not 0 < nodes <= MAX_NODES:
        raise field["threshold"].bad(f"are {nodes}, not 1 to {MAX_NODES}")
    left, right = (field[name].counts(nodes) for name in ("left", "right"))
    split = field["split"].numbers()
    if split.size != nodes or not np.isin(split, np.arange(-1, len(columns))).all():
        raise field["split"].bad(f"are not {nodes} positions of columns, or -1")
    inner = np.flatnonzero(split >= 0)
    for name, below in (("left", left), ("right", right)):
        if not (inner < below[inner]).all() or (below >= nodes).any():
            raise field[name].bad("do not lead to nodes further on")
    sums = [field[name].numbers() for name in SUMS]
    for name, values in zip(SUMS, sums, strict=True):
        if values.size != nodes or (values < 0).any():
            raise field[name].bad(f"are not {nodes} numbers of 0 or more")
    return LossTree(Splits(columns, split.astype(np.int64), threshold, left, right), field["rows"].counts(nodes), *sums)


def _calibration(field: Field, classes: tuple[str, ...] | None, columns: int) -> Calibration:
    found = dict(field["classes"].members())
    if classes is None and columns == 1 and len(found) == 2:  # of single scores
        classes = tuple(found)
    if not 1 < len(found) <= MAX_CLASSES or tuple(found) != classes:
        raise field["classes"].bad(f"are not the classes of the signal, 2 to {MAX_CLASSES}")
    measured = {name: one.number() for name, one in field["measured"].members()}
    for name, value in measured.items():
        if name not in semconv.PERFORMANCE_METRICS or not 0 <= value <= 1:
            raise field["measured"][name].bad(f"is none of {', '.join(semconv.PERFORMANCE_METRICS)}, each 0 to 1")
    rows = field["rows"].integer()
    if not rows:
        raise field["rows"].bad("is not 1 or more")
    return Calibration(
        rows,
        tuple(map(_curve, found.values())),
        tuple(_increasing(one["edges"], MAX_BIN_EDGES) for one in found.values()),
        tuple(one["label"].text() for one in found.values()),
        measured,
    )


def _curve(field: Field) -> Curve:
    scores, shares = _increasing(field["scores"], 2 * MAX_STEPS), field["shares"].numbers()
    if shares.size != scores.size:
        raise field["shares"].bad(f"have {shares.size} elements, not {scores.size}")
    if shares.size and not (shares[0] >= 0 and shares[-1] <= 1 and (np.diff(shares) >= 0).all()):
        raise field["shares"].bad("do not rise from 0 to 1")
    return Curve(scores, shares)


def _increasing(field: Field, most: int) -> FloatArray:
    found = field.numbers()
    if not 0 < found.size <= most:
        raise field.bad(f"are {found.size}, not 1 to {most}")
    if not (found[1:] > found[:-1]).all():
        raise field.bad("are not increasing")
    return found


def _feature(field: Field) -> FeatureReference:
    kind = field["kind"].text(*_NUMERIC, "constant", *_CATEGORICAL)
    if kind in _CATEGORICAL or (kind == "constant" and field.get("categories") is not None):
        categories = {name: count.integer() for name, count in field["categories"].members()}
        return _categorical(field, kind, categories)
    edges = field["edges"].numbers()
    if not 0 < edges.size <= MAX_EDGES:
        raise field["edges"].bad(f"are {edges.size}, not 1 to {MAX_EDGES}")
    if not (edges[1:] > edges[:-1]).all():
        raise field["edges"].bad("are not increasing")
    one = _numeric(field, kind, edges)
    # Nothing is below the lowest float, which otherwise the first edge is not: it is below all values.
    values = edges.size if edges[0] == _LOWEST else edges.size - 1
    if one.distinct is not None and one.distinct != values:
        raise field["distinct"].bad(f"is {one.distinct}, but edges are of {values} values")
    if one.distinct is not None and one.distinct > MAX_FEW_VALUES:
        raise field["distinct"].bad(f"is {one.distinct}, more than {MAX_FEW_VALUES}")
    return one


def _numeric(field: Field, kind: Any, edges: FloatArray) -> NumericReference:
    count, counts = field["count"].integer(), field["counts"].counts(edges.size + 1)
    if sum(counts.tolist()) != count:
        raise field["counts"].bad(f"do not add up to count, {count}")
    if counts[-1] or (counts[0] and edges[0] != _LOWEST):
        raise field["counts"].bad("have values outside the training range, the first or the last is not 0")
    distinct = field["distinct"].integer_or_none()
    if distinct not in (None, np.count_nonzero(counts)):
        raise field["distinct"].bad(f"is {distinct}, but {np.count_nonzero(counts)} of counts are not 0")
    low, high, mean = (field[name].number() for name in ("min", "max", "mean"))
    variance = field["variance"].number()
    if count and not low <= mean <= high:
        raise field["mean"].bad("is not between min and max")
    if variance < 0:
        raise field["variance"].bad("is negative")
    return NumericReference(
        kind=kind,
        count=count,
        missing=field["missing"].integer(),
        non_finite=field["non_finite"].integer(),
        min=low,
        max=high,
        mean=mean,
        variance=variance,
        kurtosis=field["kurtosis"].number(),
        distinct=distinct,
        edges=edges,
        counts=counts,
    )


def _categorical(field: Field, kind: Any, categories: Mapping[str, int]) -> CategoricalReference:
    count = field["count"].integer()
    if sum(categories.values()) > count:
        raise field["count"].bad("is less than the categories add up to")
    return CategoricalReference(kind, count, field["missing"].integer(), field["distinct"].integer(), categories)


def _slices(top: Field, signals: Mapping[str, SignalReference]) -> dict[str, dict[str, dict[str, SignalReference]]]:
    field = top.get("slices")
    if field is None:
        return {}
    return {
        column: {
            value: {name: _part(part, signals.get(name)) for name, part in found.members()}
            for value, found in values.members()
        }
        for column, values in field.members()
    }


def _part(field: Field, whole: SignalReference | None) -> SignalReference:
    """A signal in a slice, with the edges and the categories that it has as a whole."""
    if whole is None:
        raise field.bad("is not among signals")
    features: dict[str, FeatureReference] = {}
    for name, one in field.members():
        known = whole.features.get(name)
        if isinstance(known, NumericReference):
            features[name] = _numeric(one, known.kind, known.edges)
        elif known is not None:
            counts = one["counts"].counts(len(known.categories)).tolist()
            features[name] = _categorical(one, known.kind, dict(zip(known.categories, counts, strict=True)))
        else:
            raise one.bad("is not among the features of its signal")
    return SignalReference("", features, whole.classes, whole.vector, whole.columns, whole.calibration, whole.losses)
