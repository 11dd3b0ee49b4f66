"""NannyML's CBPE. Run in its own environment; see `environment`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from _estimates.cases import NAMES, load

from _peers.loop import serve

_METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")


def _load() -> Mapping[str, Callable[[], float]]:
    import nannyml  # here, so that what it prints goes to the log
    import pandas as pd

    def frame(probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64] | None = None) -> pd.DataFrame:
        made = pd.DataFrame(probabilities, columns=[f"p{k}" for k in range(probabilities.shape[1])])
        made["predicted"] = probabilities.argmax(axis=1)
        return made if labels is None else made.assign(label=labels)

    @cache
    def estimates(name: str) -> Any:
        case = load(name)
        classes = case.held_out.shape[1]
        binary = classes == 2
        method = nannyml.CBPE(
            problem_type="classification_binary" if binary else "classification_multiclass",
            y_pred_proba="p1" if binary else {k: f"p{k}" for k in range(classes)},
            y_pred="predicted",
            y_true="label",
            metrics=list(_METRICS),
            chunk_number=1,
        )
        method.fit(frame(case.held_out, case.held_out_labels))
        return method.estimate(frame(case.served)).filter(period="analysis").to_df()

    def value(name: str, metric: str) -> float:
        return float(estimates(name)[metric]["value"].iloc[0])

    return {f"{name}.{metric}": partial(value, name, metric) for name in NAMES for metric in _METRICS}


if __name__ == "__main__":
    serve(_load)
