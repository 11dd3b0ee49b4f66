"""How near performance estimated without labels comes to NannyML's estimate and to the truth, and what it costs.

    python benchmarks/performance_estimate.py [--quick]

Three models on scikit-learn's data (`generated`: two classes, one of them a fifth, by `make_classification`; `hastie`:
two classes, by `make_hastie_10_2`; `digits`: ten classes, with only 60 rows of each to calibrate on) are calibrated on
held-out predictions. Then they are served rows that were drawn by one of the features: inputs shift, the concept does
not.

- `estimate.CASE.METRIC` is ours, `nannyml.CASE.METRIC` that of NannyML's CBPE (in an environment of its own, made
  under `.cache/benchmarks` the first time; `--quick` leaves it out), `realised.CASE.METRIC` what scikit-learn makes of
  the labels, `held_out.CASE.METRIC` what it makes of those before the shift. Precision, recall and F1 are means of the
  classes; of two classes NannyML has the second one's alone, so that they are not compared.
- `profile_ms` is the time that calibrating takes, `ns_per_row` the CPU time, of the thread that counts, which the
  estimate adds to the statistics of a row of two and of ten probabilities.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

import numpy as np
from _estimates.cases import NAMES, Case, make, save
from _peers.environment import Peer, PeerError
from _report import json_line, progress, table
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

from bento_observe import FeatureStatistics, Reference
from bento_observe.features.estimate import Estimate, performance

_WITH_PEER = ("accuracy", "roc_auc")
_FROM_PEER, _FROM_TRUTH = 0.01, 0.02
_METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")
_COST_ROWS, _COST_ROUNDS = 20_000, 7


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without NannyML; a few seconds")
    quick = parser.parse_args().quick
    figures: dict[str, float] = {}
    ours: dict[tuple[str, str], Estimate] = {}
    for name in NAMES:
        progress(f"{name}: fitting a model")
        case = make(name)
        save(name, case)
        began = time.perf_counter()
        reference = _reference(case)
        figures[f"profile_ms.{name}"] = (time.perf_counter() - began) * 1e3
        ours |= {(name, metric): found for metric, found in _estimated(reference, case).items()}
        for source, scores, labels in (
            ("realised", case.served, case.served_labels),
            ("held_out", case.held_out, case.held_out_labels),
        ):
            figures |= {f"{source}.{name}.{metric}": value for metric, value in _measured(scores, labels).items()}
    figures |= {f"estimate.{name}.{metric}": found.value for (name, metric), found in ours.items()}
    figures |= {} if quick else _of_peer()
    for classes in (2, 10):
        figures[f"ns_per_row.{classes}"] = _cost(classes)
    _show(ours, figures)
    json_line("performance_estimate", figures, {})


def _reference(case: Case) -> Reference:
    return Reference.from_frame(np.zeros((len(case.held_out), 1)), prediction=case.held_out, label=case.held_out_labels)


def _estimated(reference: Reference, case: Case) -> dict[str, Estimate]:
    signal = reference.signals["prediction"]
    statistics = FeatureStatistics(signal)
    statistics.update(case.served)
    expected = statistics.snapshot().expected
    assert expected is not None
    assert signal.calibration is not None
    return performance(expected, signal.calibration.rows)


def _measured(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    predicted = scores.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    several = scores.shape[1] > 2
    area = roc_auc_score(labels, scores if several else scores[:, 1], multi_class="ovr" if several else "raise")
    return dict(zip(_METRICS, (accuracy_score(labels, predicted), precision, recall, f1, area), strict=True))


def _of_peer() -> dict[str, float]:
    with ExitStack() as stack:
        try:
            peer = stack.enter_context(Peer("nannyml"))
        except PeerError as error:
            progress(f"{error}; left out")
            return {}
        return {f"nannyml.{name}.{metric}": peer.case(f"{name}.{metric}")() for name in NAMES for metric in _WITH_PEER}


def _cost(classes: int) -> float:
    """What a row costs with a calibration less what it costs without, ns of CPU time: the least of some rounds."""
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.full(classes, 0.5), _COST_ROWS)
    labels = (scores.cumsum(axis=1) > random.random((_COST_ROWS, 1))).argmax(axis=1)
    rows = np.zeros((_COST_ROWS, 1))
    cases = (
        Reference.from_frame(rows, prediction=scores, label=labels),
        Reference.from_frame(rows, prediction=scores),
    )
    least = [np.inf, np.inf]
    for _ in range(_COST_ROUNDS):
        for position, reference in enumerate(cases):
            statistics = FeatureStatistics(reference.signals["prediction"])
            statistics.update(scores)
            began = time.process_time()
            statistics.flush()
            least[position] = min(least[position], time.process_time() - began)
    return (least[0] - least[1]) / _COST_ROWS * 1e9


def _show(ours: dict[tuple[str, str], Estimate], figures: dict[str, float]) -> None:
    rows = []
    for (name, metric), found in ours.items():
        realised, peer = figures[f"realised.{name}.{metric}"], figures.get(f"nannyml.{name}.{metric}")
        missed = abs(found.value - realised) > _FROM_TRUTH and metric == "accuracy"
        missed |= peer is not None and abs(found.value - peer) > _FROM_PEER
        rows.append(
            (
                f"{name} {metric}", f"{found.value:.4f}", f"{found.low:.4f} .. {found.high:.4f}",
                "" if peer is None else f"{peer:.4f}", f"{realised:.4f}", f"{figures[f'held_out.{name}.{metric}']:.4f}",
                "missed" if missed else "",
            )
        )  # fmt: skip
    table("Performance without labels", ("", "estimate", "band", "NannyML", "realised", "held out", ""), rows)
    costs = [
        (name, f"{value:,.0f}") for name, value in figures.items() if name.startswith(("ns_per_row", "profile_ms"))
    ]
    table("Cost", ("", ""), costs)


if __name__ == "__main__":
    main()
