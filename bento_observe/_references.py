"""The reference that `observe` was given: found, read, and compared with what the APIs take."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bentoml
from pydantic import BaseModel, RootModel

from bento_observe import semconv
from bento_observe.features import FeatureStatistics
from bento_observe.features.reference import SignalReference

if TYPE_CHECKING:
    from bento_observe.features.reference import Reference

__all__ = ["References", "find_reference"]

_SHOWN = 5


def find_reference(wanted: Any, models: Iterable[Any], tell: Callable[[str], None]) -> Any:
    """The reference that `wanted` names, or None; what is wrong with it is told in one line.

    Args:
        wanted: a `Reference` (or whatever `FeatureStatistics` takes for one), a path, or the tag of a BentoML model.
            None takes the one that lies with the service's only model, if it has one.
        models: those of the service.
        tell: takes the line.
    """
    if wanted is None and not any(getattr(model, "tag", None) for model in models):
        return None
    # Imported here: a worker without a reference does without.
    from bento_observe.features.reference import BadReferenceError, Reference

    try:
        if wanted is None:
            return _of_models(models)
        if isinstance(wanted, bentoml.Tag):
            return Reference.of_model(wanted)
        if not isinstance(wanted, (str, os.PathLike)):
            FeatureStatistics(wanted)  # raises what is wrong with it
            return wanted
        if os.path.exists(wanted) or isinstance(wanted, os.PathLike) or str(wanted).endswith(".json"):
            return Reference.load(wanted)
        return Reference.of_model(str(wanted))
    except BadReferenceError as error:
        tell(f"reference={str(wanted)!r}: {error}; served without a reference")
    except (TypeError, ValueError) as error:
        tell(
            f"reference={type(wanted).__name__}: {error}; give a Reference, a path or a model's tag; served without a "
            "reference"
        )
    return None


def _of_models(models: Iterable[Any]) -> Reference | None:
    from bento_observe.features.reference import Reference

    tags = [tag for tag in (getattr(model, "tag", None) for model in models) if tag is not None]
    if len(tags) != 1:
        return None
    try:
        path = bentoml.models.get(tags[0]).path_of(Reference.FILE)
    except bentoml.exceptions.BentoMLException:  # whoever needs the model will say so
        return None
    return Reference.load(path) if os.path.exists(path) else None


@dataclass
class References:
    """One reference, for the APIs that take what it describes. `source` is what it is called in a fault."""

    reference: Any
    tell: Callable[[str], None]
    source: str = ""
    _unlike: list[str] = field(default_factory=list)
    _fitting: int = 0

    def of(self, signal: str, api: str = "", method: Any = None) -> Any:
        """The reference of one signal; of the inputs only where the API `method` takes them, else None."""
        found = self._signal(signal)
        if found is None or signal != semconv.SIGNAL_INPUT or method is None:
            return found
        declared = _declared(method)
        if declared is None:  # not to be known before the first request
            self._fitting += 1
            return found
        names = tuple(found.edges) if not isinstance(found, SignalReference) else tuple(found.features)
        if isinstance(declared, int):
            columns = len(found.columns) if isinstance(found, SignalReference) else len(names)
            if declared in (columns, _vector_width(found)):
                self._fitting += 1
                return found
            self._unlike.append(f"{api} takes {declared} columns, the reference has {columns}")
            return None
        missing = [name for name in names if name not in declared]
        if not missing:
            self._fitting += 1
            return found
        if len(missing) == len(names):
            self._unlike.append(f"{api} takes {_some(declared)}, the reference has {_some(names)}")
            return None
        self._fitting += 1
        self._mismatch(f"{api} does not take {_some(missing)}")
        return None

    def logged(self, signal: str) -> Any:
        """The reference of what is logged as `signal`: features are the inputs where training data has no others."""
        found = self._signal(signal)
        return self._signal(semconv.SIGNAL_INPUT) if found is None and signal == semconv.SIGNAL_FEATURE else found

    def check(self) -> None:
        """To be called when all APIs have been asked for: tells if the reference is of none of them."""
        if self._unlike and not self._fitting:
            self._mismatch("; ".join(self._unlike))

    def slice_of(self, column: str, value: str, signal: str) -> Any:
        """The reference of one signal in one slice of the training data, that of all of it where it has none."""
        slices: Mapping[str, Any] = getattr(self.reference, "slices", {})
        return slices.get(column, {}).get(value, {}).get(signal) or self._signal(signal)

    def slice_values(self, column: str) -> tuple[str, ...]:
        """The slices of a column that the training data has, the largest first; none where it says nothing."""
        slices: Mapping[str, Any] = getattr(self.reference, "slices", {})
        return tuple(slices.get(column, ()))

    def _signal(self, signal: str) -> Any:
        signals: Mapping[str, Any] | None = getattr(self.reference, "signals", None)
        if signals is not None:
            return signals.get(signal)
        return self.reference if signal == semconv.SIGNAL_INPUT else None

    def _mismatch(self, what: str) -> None:
        self.tell(
            f"reference={self.source or self.reference.id!r}: signals.{semconv.SIGNAL_INPUT}.features: {what}; "
            "profile the data that the API takes, with its names; served without a reference"
        )


def _vector_width(reference: Any) -> int | None:
    vector = getattr(reference, "vector", None)
    return None if vector is None else int(vector.mean.size)


def _some(names: Iterable[str]) -> str:
    all_names = list(map(repr, names))
    more = f" and {len(all_names) - _SHOWN} more" if len(all_names) > _SHOWN else ""
    return ", ".join(all_names[:_SHOWN]) + more


def _declared(method: Any) -> tuple[str, ...] | int | None:
    """What an API says it takes: names of features, how many columns, or nothing."""
    fields = method.input_spec.model_fields
    if len(fields) == 1:
        return _declared_by(*next(iter(fields.items())))
    names: list[str] = []
    for name, one in fields.items():
        found = _declared_by(name, one)
        if not isinstance(found, tuple):
            return None
        names += found
    return tuple(names)


def _declared_by(name: str, one: Any) -> tuple[str, ...] | int | None:
    """The same of one parameter."""
    annotation = one.annotation
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        annotation = annotation.model_fields["root"].annotation
    for kind in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return tuple(kind.model_fields)
    if annotation in (int, float, bool, str, list[str]):
        return (name,)
    for schema in one.metadata:
        if getattr(schema, "columns", None):
            return tuple(schema.columns)
        shape = getattr(schema, "shape", None)
        if shape and len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0:
            return int(shape[1])
    return None
