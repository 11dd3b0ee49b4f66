"""whylogs, which profiles frames or rows of a rolling logger. Run in its own environment; see `environment`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from _features.data import matrix, names

from _peers.loop import cpu_s, serve

_COLUMNS = 100
_ROWS = 20


def _load() -> Mapping[str, Callable[[], float]]:
    import pandas as pd
    import whylogs

    batch = pd.DataFrame(matrix(1000, _COLUMNS), columns=names(_COLUMNS))
    single = batch.iloc[:1]
    rows = batch.iloc[:_ROWS].to_dict("records")
    # No writer is attached, and no interval ends while this runs: nothing but the counting is timed.
    logger = whylogs.logger(mode="rolling", interval=1, when="D", base_name="benchmark")

    def by_row() -> None:
        for row in rows:
            logger.log(row=row)

    return {
        "whylogs_log_ns_per_value.1000x100": lambda: cpu_s(lambda: whylogs.log(pandas=batch)) / batch.size * 1e9,
        "whylogs_log_ns_per_value.1x100": lambda: cpu_s(lambda: whylogs.log(pandas=single), 5) / single.size * 1e9,
        "whylogs_row_ns_per_value.1x100": lambda: cpu_s(by_row) / (_ROWS * _COLUMNS) * 1e9,
    }


if __name__ == "__main__":
    serve(_load)
