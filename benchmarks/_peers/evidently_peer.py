"""evidently's drift report. Run in its own environment; see `environment`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from _features.data import CURRENT_ROWS, DRIFT_FEATURES, matrix, names, numeric_frame

from _peers.loop import cpu_s, serve


def _load() -> Mapping[str, Callable[[], float]]:
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    reference = numeric_frame(DRIFT_FEATURES)
    current = pd.DataFrame(matrix(CURRENT_ROWS, DRIFT_FEATURES), columns=names(DRIFT_FEATURES))

    def report() -> None:
        Report([DataDriftPreset(method="psi")]).run(current, reference)

    return {"evidently_psi_ms.100": lambda: cpu_s(report) * 1e3}


if __name__ == "__main__":
    serve(_load)
