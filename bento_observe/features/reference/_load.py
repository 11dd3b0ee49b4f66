"""A reference from its file, checked through."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from bento_observe import semconv
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._document import FORMAT, MAX_BYTES, SCHEMA_VERSION, identify
from bento_observe.features.reference._edges import MAX_EDGES
from bento_observe.features.reference._errors import BadReferenceError
from bento_observe.features.reference._fields import PROFILE_AGAIN, Field
from bento_observe.features.reference._profile import Profile
from bento_observe.features.reference._types import (
    CategoricalReference,
    FeatureReference,
    NumericReference,
    SignalReference,
    VectorReference,
)

__all__ = ["load"]

_SIGNALS = (semconv.SIGNAL_INPUT, semconv.SIGNAL_FEATURE, semconv.SIGNAL_PREDICTION, semconv.SIGNAL_LABEL)
_NUMERIC = ("numeric", "boolean")
_CATEGORICAL = ("categorical", "high_cardinality")
_MAKE_ONE = "make one with `bento-observe profile` or `Reference.from_frame`"


def load(path: Path) -> Profile:
    """What is in the file at `path`.

    Raises:
        BadReferenceError: it is not there, cannot be read, or is not a reference through and through.
    """
    file = str(path)
    document = _parsed(_read(path, file), file)
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
    if top["id"].text() != identify(document):
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
    except FileNotFoundError:
        raise BadReferenceError(file, "there is no such file", f"check the path, or {_MAKE_ONE}") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        why = getattr(error, "strerror", None) or str(error)
        raise BadReferenceError(file, f"cannot be read ({why})", "check the path and its permissions") from None
    if size > MAX_BYTES or len(raw) > MAX_BYTES:
        raise BadReferenceError(file, f"is larger than {MAX_BYTES >> 20} MiB, so it is no reference", _MAKE_ONE)
    return raw


def _parsed(raw: bytes, file: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(raw.decode(), parse_constant=refuse)
    except json.JSONDecodeError as error:
        what = "the file is empty" if not raw.strip() else f"not JSON from line {error.lineno}, column {error.colno} on"
        raise BadReferenceError(file, f"{what}; perhaps it was cut off", f"copy it again, or {PROFILE_AGAIN}") from None
    except (ValueError, RecursionError):
        raise BadReferenceError(file, "not JSON in UTF-8", f"copy it again, or {PROFILE_AGAIN}") from None


def _signal_name(name: str, field: Field) -> str:
    if name not in _SIGNALS:
        raise field.bad(f"is none of {', '.join(_SIGNALS)}")
    return name


def _signal(field: Field) -> SignalReference:
    classes, vector = field.get("classes"), field.get("vector")
    return SignalReference(
        "",
        {name: _feature(one) for name, one in field["features"].members()},
        None if classes is None else classes.texts(),
        None if vector is None else VectorReference(vector["mean"].numbers()),
    )


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
    return _numeric(field, kind, edges)


def _numeric(field: Field, kind: Any, edges: FloatArray) -> NumericReference:
    count, counts = field["count"].integer(), field["counts"].counts(edges.size + 1)
    if sum(counts.tolist()) != count:
        raise field["counts"].bad(f"do not add up to count, {count}")
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
        distinct=field["distinct"].integer_or_none(),
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
    return SignalReference("", features, whole.classes, whole.vector)
