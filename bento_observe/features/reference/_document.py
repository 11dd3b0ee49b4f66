"""A reference as JSON that a person can read, the same bytes for the same data."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bento_observe.features.reference._calibration import Calibration, Curve
from bento_observe.features.reference._loss_tree import SUMS, LossTree
from bento_observe.features.reference._types import FeatureReference, NumericReference, SignalReference

__all__ = ["FORMAT", "MAX_BYTES", "SCHEMA_VERSION", "content", "identify", "written"]

FORMAT: Final = "bento-observe reference"
SCHEMA_VERSION: Final = 2
"""2 is a reference with a calibration or with losses; one without is a 1, as it always was."""

MAX_BYTES: Final = 64 * 2**20

Slices = Mapping[str, Mapping[str, Mapping[str, SignalReference]]]

_ID: Final = "id"
_INLINE_DEPTH: Final = 5  # the categories of a feature, and a feature of a slice


def content(rows: int, signals: Mapping[str, SignalReference], slices: Slices) -> dict[str, Any]:
    """The document without its id.

    A feature in a slice has the edges or the categories of the feature as a whole, so only their counts are there.
    """
    newer = any(signal.calibration is not None or signal.losses is not None for signal in signals.values())
    version = SCHEMA_VERSION if newer else 1
    document: dict[str, Any] = {"format": FORMAT, "schema_version": version, "rows": rows}
    document["signals"] = {name: _signal(signal) for name, signal in signals.items()}
    if slices:
        document["slices"] = {
            column: {
                value: {
                    name: {feature: _feature(one, part=True) for feature, one in signal.features.items()}
                    for name, signal in found.items()
                }
                for value, found in values.items()
            }
            for column, values in slices.items()
        }
    return document


def identify(document: Mapping[str, Any]) -> str:
    """The id that `document` must have: a hash of all else that is in it.

    Raises:
        ValueError: a number in it is not finite.
    """
    rest = {name: value for name, value in document.items() if name != _ID}
    text = json.dumps(rest, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def written(document: Mapping[str, Any]) -> bytes:
    """`document` as JSON with its id: arrays, and the features of slices, on a line each."""
    ordered = {name: document[name] for name in ("format", "schema_version")} | {_ID: identify(document)}
    ordered |= {name: value for name, value in document.items() if name not in ordered}
    # What is half of a surrogate pair has no UTF-8, but an escape that is good JSON too.
    return ("".join(_lines(ordered, 0)) + "\n").encode(errors="backslashreplace")


def _signal(signal: SignalReference) -> dict[str, Any]:
    made: dict[str, Any] = {"columns": list(signal.columns)}
    if signal.classes is not None:
        made["classes"] = list(signal.classes)
    if signal.vector is not None:
        made["vector"] = {"mean": list(map(_number, signal.vector.mean.tolist()))}
    made["features"] = {name: _feature(one) for name, one in signal.features.items()}
    if signal.calibration is not None:
        made["calibration"] = _calibration(signal.calibration, signal.classes or signal.calibration.labels)
    if signal.losses is not None:
        made["losses"] = _losses(signal.losses)
    return made


def _losses(tree: LossTree) -> dict[str, Any]:
    splits = {name: getattr(tree.splits, name).tolist() for name in ("split", "threshold", "left", "right")}
    sums = {name: getattr(tree, name).tolist() for name in ("rows", *SUMS)}
    return {"columns": list(tree.splits.columns), **splits, **sums}


def _calibration(calibration: Calibration, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "rows": calibration.rows,
        "measured": dict(calibration.measured),
        "classes": {
            name: {"label": label, **_curve(curve), "edges": edges.tolist()}
            for name, label, curve, edges in zip(
                classes, calibration.labels, calibration.curves, calibration.edges, strict=True
            )
        },
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {"scores": curve.scores.tolist(), "shares": curve.shares.tolist()}


def _feature(one: FeatureReference, *, part: bool = False) -> dict[str, Any]:
    fields: dict[str, Any] = {} if part else {"kind": one.kind}
    fields |= {"count": one.count, "missing": one.missing}
    if not isinstance(one, NumericReference):
        fields["distinct"] = one.distinct
        return fields | ({"counts": list(one.categories.values())} if part else {"categories": dict(one.categories)})
    fields["non_finite"] = one.non_finite
    for name in ("min", "max", "mean", "variance", "kurtosis"):
        fields[name] = _number(getattr(one, name))
    fields["distinct"] = one.distinct
    if not part:
        fields["edges"] = one.edges.tolist()
    return fields | {"counts": one.counts.tolist()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _lines(value: Any, depth: int) -> Iterator[str]:
    if not isinstance(value, Mapping) or not value or depth >= _INLINE_DEPTH:
        yield json.dumps(value, ensure_ascii=False, allow_nan=False)
        return
    for position, (key, item) in enumerate(value.items()):
        yield f"{',' if position else '{'}\n{'  ' * (depth + 1)}{json.dumps(key, ensure_ascii=False)}: "
        yield from _lines(item, depth + 1)
    yield f"\n{'  ' * depth}}}"
