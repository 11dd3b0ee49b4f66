"""What a window says about drift, in plain arrays: what is exported, and what `drift` makes a table of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bento_observe.features._snapshot import Snapshot
from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.drift import _formulas
from bento_observe.features.drift._critical import (
    FLOORS,
    METHODS,
    NUMERIC_METHODS,
    Limits,
    limits_of,
)
from bento_observe.features.drift._layout import Layout, layout_of
from bento_observe.features.drift._window import Window, window_of
from bento_observe.features.reference import SignalReference
from bento_observe.semconv import (
    DRIFT_CHI2,
    DRIFT_JS,
    DRIFT_KS,
    DRIFT_MEAN_Z,
    DRIFT_PSI,
    DRIFT_VARIANCE_RATIO,
    DRIFT_WASSERSTEIN,
    SIGNAL_INPUT,
)

__all__ = ["Measures", "Signals", "Verdict", "measure"]


class Signals(Protocol):
    """A whole reference, which holds one for each signal."""

    def signal(self, name: str, /) -> SignalReference | None: ...


@dataclass(frozen=True, eq=False, slots=True)
class Verdict:
    """What one method makes of the features.

    Attributes:
        critical: float64 (F,), what the measure has to exceed; NaN where there is not enough data.
        enough: bool (F,).
        drifted: bool (F,), False where there is not enough data.
    """

    critical: FloatArray
    enough: npt.NDArray[np.bool_]
    drifted: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Measures:
    """All measures of F features, in the reference's order: those that it shares with the window.

    Attributes:
        names: of the features.
        kinds: `numeric`, `boolean`, `categorical`, ... as the reference has them.
        numeric: bool (F,), False for categorical features.
        n: int64 (F,), finite values of numeric and values of categorical features.
        values: by method float64 (F,), NaN where the method does not apply or there is not enough data.
        critical: likewise what each has to exceed. `mean_z` has to do so in size, and `variance_ratio` or its inverse.
        chi2_p: float64 (F,), the probability of a `chi2` as large without drift, of this feature alone.
        missing_share, missing_share_reference: float64 (F,), of all values.
        outside_share: float64 (F,), of n, what lies outside the training data's range or is none of its categories;
            NaN where that cannot be told.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    numeric: npt.NDArray[np.bool_]
    n: IntArray
    values: Mapping[str, FloatArray]
    critical: Mapping[str, FloatArray]
    chi2_p: FloatArray
    missing_share: FloatArray
    missing_share_reference: FloatArray
    outside_share: FloatArray

    def verdict(self, method: str = DRIFT_PSI) -> Verdict:
        """What `method` makes of the features, and PSI of those that it does not apply to, the categorical ones.

        Raises:
            ValueError: no such method.
        """
        if method not in METHODS:
            raise ValueError(f"no drift method {method!r}: there are {', '.join(METHODS)}")
        value, critical = self.values[method], self.critical[method]
        if method in NUMERIC_METHODS:
            value = np.where(self.numeric, value, self.values[DRIFT_PSI])
            critical = np.where(self.numeric, critical, self.critical[DRIFT_PSI])
        drifted = np.abs(value) > critical
        if method == DRIFT_VARIANCE_RATIO:
            drifted |= self.numeric & (value < 1 / critical)
        return Verdict(critical, ~np.isnan(value), drifted)


def measure(reference: SignalReference | Signals, snapshot: Snapshot, alpha: float = 0.05) -> Measures:
    """How far `snapshot` is from `reference`, by all methods.

    Args:
        reference: one signal's, or a whole one, of which the input is taken.
        snapshot: of a window, counted against that reference.
        alpha: see `null_quantiles`.

    Raises:
        ValueError: the snapshot was counted against another reference, or one of its features differs in kind, edges
            or categories; the reference has no input; `alpha` is not between 0 and 1.
    """
    signal = reference if isinstance(reference, SignalReference) else reference.signal(SIGNAL_INPUT)
    if signal is None:
        raise ValueError(
            "the reference has no input: give the signal the snapshot is of, as reference.signal(...) has it"
        )
    if snapshot.features and snapshot.reference_id != signal.id:
        raise ValueError(f"the snapshot was counted against reference {snapshot.reference_id!r}, not {signal.id!r}")
    layout = layout_of(signal)
    window = window_of(layout, snapshot)
    limits = limits_of(signal, alpha)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        measures = _measured(layout, window, limits)
    return measures if window.present.all() else _selected(measures, window.present)


def _measured(layout: Layout, window: Window, limits: Limits) -> Measures:
    n = window.n
    flat = np.bincount(layout.bin_slots, window.counts, layout.bin_counts.size).astype(np.float64)
    bins = flat.reshape(layout.bin_counts.shape)
    psi, js = _formulas.divergences(layout, bins, n)
    chi2, degrees, chi2_p = _formulas.chi_square(layout, bins, n)
    ks, wasserstein = _formulas.transport(layout, window)
    z, larger, deviation = _formulas.mean_z(layout, window)
    values = {
        DRIFT_PSI: psi, DRIFT_JS: js, DRIFT_KS: ks, DRIFT_WASSERSTEIN: wasserstein, DRIFT_CHI2: chi2,
        DRIFT_MEAN_Z: z, DRIFT_VARIANCE_RATIO: _formulas.variance_ratio(layout, window),
    }  # fmt: skip

    # As `null_quantiles` has them.
    ratio = 1 / n + 1 / layout.count
    root = np.sqrt(ratio)
    critical = dict(zip(METHODS, limits.quantiles, strict=True))
    for method in (DRIFT_PSI, DRIFT_JS):
        critical[method] = np.maximum(critical[method] * ratio, FLOORS[method])
    for method in (DRIFT_KS, DRIFT_WASSERSTEIN):
        critical[method] = np.maximum(critical[method] * root, FLOORS[method])
    critical[DRIFT_CHI2] = np.maximum(limits.chi2[np.maximum(degrees, 0) + limits.ties], FLOORS[DRIFT_CHI2] / ratio)
    critical[DRIFT_MEAN_Z] = np.maximum(critical[DRIFT_MEAN_Z] * larger, FLOORS[DRIFT_MEAN_Z] * deviation)
    widest = np.exp(critical[DRIFT_VARIANCE_RATIO] * root)
    critical[DRIFT_VARIANCE_RATIO] = np.maximum(widest, FLOORS[DRIFT_VARIANCE_RATIO])

    enough = n >= limits.needed
    known_values, known_critical = (
        np.where(enough, np.array([table[method] for method in METHODS]), np.nan) for table in (values, critical)
    )
    return Measures(
        names=layout.names,
        kinds=layout.kinds,
        numeric=layout.numeric,
        n=n.astype(np.int64),
        values=dict(zip(METHODS, known_values, strict=True)),
        critical=dict(zip(METHODS, known_critical, strict=True)),
        chi2_p=np.where(enough[METHODS.index(DRIFT_CHI2)], chi2_p, np.nan),
        missing_share=window.missing / window.everything,
        missing_share_reference=layout.missing_share,
        outside_share=np.where(layout.knows_all, window.outside / n, np.nan),
    )


def _selected(measures: Measures, rows: npt.NDArray[np.bool_]) -> Measures:
    return Measures(
        names=tuple(compress(measures.names, rows)),
        kinds=tuple(compress(measures.kinds, rows)),
        numeric=measures.numeric[rows],
        n=measures.n[rows],
        values={method: value[rows] for method, value in measures.values.items()},
        critical={method: value[rows] for method, value in measures.critical.items()},
        chi2_p=measures.chi2_p[rows],
        missing_share=measures.missing_share[rows],
        missing_share_reference=measures.missing_share_reference[rows],
        outside_share=measures.outside_share[rows],
    )
