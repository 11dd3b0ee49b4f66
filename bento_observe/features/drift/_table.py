"""Drift as a table for people."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bento_observe.features._snapshot import Snapshot
from bento_observe.features.drift._critical import METHODS
from bento_observe.features.drift._measures import Signals, measure
from bento_observe.features.reference import SignalReference
from bento_observe.semconv import DRIFT_CHI2, DRIFT_PSI

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STATES", "drift"]

STATES: Final = ("drifted", "stable", "not enough data")


def drift(
    reference: SignalReference | Signals, snapshot: Snapshot, *, method: str = DRIFT_PSI, alpha: float = 0.05
) -> pd.DataFrame:
    """How far what was served is from the training data, feature by feature.

    Args:
        reference: one signal's, or a whole one, of which the input is taken.
        snapshot: what to compare: all that was seen, or a window of it (see `Windows`).
        method: which measure decides; `psi`, `js`, `ks`, `wasserstein`, `chi2`, `mean_z` or `variance_ratio`. Those
            that do not apply to categorical features leave these to `psi`.
        alpha: probability that any of the features is called drifted though none is, with rows that do not depend on
            each other. It is shared out over the features of the reference (Bonferroni).

    Returns:
        One row a feature that both have, in the reference's order; the index is called `feature`. Columns:

        - `kind`: as the reference has it.
        - `n` (int64): finite values of a numeric, values of a categorical feature.
        - `psi`, `js` (bits), `ks`, `wasserstein` (quantiles of the training data), `chi2`, `chi2_p` (of the feature
          alone), `mean_z` (its sign is that of the change), `variance_ratio`: float64. NaN where there are too few
          values for the method (see `MINIMUM`), or where it does not apply to categories.
        - `psi_critical`, ...: what each has to exceed to be drift with so many values and features; `mean_z` in size,
          `variance_ratio` or its inverse. Never less than the floor (see `FLOORS`). The error of `variance_ratio` is
          that of a distribution with the training data's kurtosis, which means nothing where the tails are so heavy
          that no kurtosis exists (t with 4 degrees of freedom or fewer, Pareto, most sums of money).
        - `missing_share`, `missing_share_reference`: of all values; NaN where there are none.
        - `outside_share`: of n, what lies outside the training range, or is a category never seen in training; NaN
          where n is 0 or the reference does not know all categories.
        - `critical`: that of the method that decided.
        - `state` (category): `drifted`, `stable` or `not enough data`.
        - `drifted` (boolean): whether it is; NA where there is not enough data.

    Raises:
        ValueError: the snapshot was counted against another reference, or one of its features differs in kind, edges
            or categories; the reference has no input; no such method; `alpha` is not between 0 and 1.
    """
    import pandas as pd

    measures = measure(reference, snapshot, alpha)
    verdict = measures.verdict(method)
    kinds = _text(measures.kinds).array.copy()
    columns: dict[str, Any] = {
        "kind": kinds.to_numpy() if isinstance(kinds, pd.arrays.NumpyExtensionArray) else kinds,
        "n": measures.n,
    }
    for one in METHODS:
        columns[one] = measures.values[one]
        if one == DRIFT_CHI2:
            columns["chi2_p"] = measures.chi2_p
    for one in METHODS:
        columns[f"{one}_critical"] = measures.critical[one]
    columns["missing_share"] = measures.missing_share
    columns["missing_share_reference"] = measures.missing_share_reference.copy()  # the layout's, read-only
    columns["outside_share"] = measures.outside_share
    columns["critical"] = verdict.critical
    codes = np.where(verdict.enough, np.where(verdict.drifted, 0, 1), 2).astype(np.int8)
    columns["state"] = pd.Categorical.from_codes(codes, dtype=_state_type(), validate=False)
    columns["drifted"] = pd.arrays.BooleanArray(verdict.drifted, ~verdict.enough)
    table = _frame(columns, _text(measures.names).copy())
    table.index.name = "feature"
    return table


def _frame(columns: dict[str, Any], index: pd.Index[str]) -> pd.DataFrame:
    """A frame of arrays that are as pandas keeps them.

    The public way looks at each array for what it might be, which takes longer than measuring all features. Where
    pandas' own shortcut is not as we know it, we go that way.
    """
    import pandas as pd

    names = _text(tuple(columns)).copy()
    try:
        shortcut: pd.DataFrame = pd.DataFrame._from_arrays(  # type: ignore[attr-defined]
            list(columns.values()), names, index, verify_integrity=False
        )
        return shortcut
    except (AttributeError, TypeError):
        # Under numbers first, as pandas takes a while to see that names are text.
        table = pd.DataFrame(dict(enumerate(columns.values())), index=index, copy=False)
        table.columns = names
        return table


@lru_cache(maxsize=16)
def _text(texts: tuple[str, ...]) -> pd.Index[str]:
    """What pandas makes of texts, remembered. Whoever hands it out copies it, as tables can be changed."""
    import pandas as pd

    index: pd.Index[str] = pd.Index(np.array(texts, object))
    return index


@lru_cache(maxsize=1)
def _state_type() -> pd.CategoricalDtype[str]:
    import pandas as pd

    return pd.CategoricalDtype(list(STATES))
