"""Predictions of models on scikit-learn's data, and on such data shifted in one feature. Numpy only, but for `make`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["FOLDER", "NAMES", "Case", "load", "make", "save"]

FOLDER = Path(__file__).parents[2] / ".cache" / "benchmarks" / "performance_estimate"
"""Where the cases lie, for the processes of peers."""

NAMES = ("generated", "hastie", "digits")
_STRENGTH = 0.7  # of the shift: rows are drawn by exp(strength * standard score)


@dataclass(frozen=True)
class Case:
    """Probabilities, float64, rows x classes, and labels, int64: of held-out rows, and of what is served.

    The served ones are drawn anew, with weights that rise with one feature, from rows of their own: inputs shift, and
    how they go together with labels stays as it is.
    """

    held_out: npt.NDArray[np.float64]
    held_out_labels: npt.NDArray[np.int64]
    served: npt.NDArray[np.float64]
    served_labels: npt.NDArray[np.int64]


def make(name: str) -> Case:
    """One case, always the same. Needs scikit-learn."""
    from sklearn.datasets import load_digits, make_classification, make_hastie_10_2
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.naive_bayes import GaussianNB

    random = np.random.default_rng(20261125)
    if name == "digits":
        (rows, labels), draws, model = load_digits(return_X_y=True), 3000, GaussianNB(var_smoothing=0.05)
    elif name == "hastie":
        rows, signs = make_hastie_10_2(30_000, random_state=5)
        labels, draws, model = (signs > 0).astype(np.int64), 10_000, HistGradientBoostingClassifier(random_state=0)
    else:
        rows, labels = make_classification(
            40_000, 20, n_informative=6, weights=[0.8], flip_y=0.05, class_sep=0.8, random_state=3
        )
        draws, model = 10_000, RandomForestClassifier(50, max_depth=8, random_state=0)
    by = int(np.argmax(rows.std(axis=0)))
    order = random.permutation(len(rows))
    training, held_out, later = np.array_split(order, 3)
    model.fit(rows[training], labels[training])
    score = rows[later, by]
    weights = np.exp(_STRENGTH * (score - score.mean()) / score.std())
    drawn = later[random.choice(later.size, draws, p=weights / weights.sum())]
    return Case(model.predict_proba(rows[held_out]), labels[held_out], model.predict_proba(rows[drawn]), labels[drawn])


def save(name: str, case: Case) -> None:
    """For `load`, in another process."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(FOLDER / f"{name}.npz", **vars(case))


def load(name: str) -> Case:
    """What `save` saved."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return Case(**{key: file[key] for key in file.files})
