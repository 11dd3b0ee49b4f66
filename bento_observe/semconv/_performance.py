"""The metrics of how good the model is: by labels that came, and by estimates while there are none."""

from __future__ import annotations

import math
from typing import Final

from bento_observe.semconv._keys import *
from bento_observe.semconv._metric import Kind, Metric

_MODEL: Final = (ML_MODEL_NAME, ML_MODEL_VERSION, API_NAME, ML_SLICE_NAME, ML_SLICE_VALUE)
_SCORE: Final = (*_MODEL, ML_SCORE_EVENT)
# Evenly spaced log-odds: close enough for the area under a ROC curve to 0.002, also where most scores are near 0 or 1.
_SCORES: Final = tuple(float(f"{1 / (1 + math.exp(-number / 8)):.6g}") for number in range(-74, 75))
_MAGNITUDES: Final = tuple(float(f"{digit}e{power}") for power in range(-3, 6) for digit in (1, 2, 5))
_SIGNED: Final = (*(-one for one in reversed(_MAGNITUDES)), 0.0, *_MAGNITUDES)
_DELAY_SECONDS: Final = (
    1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0, 259200.0, 604800.0, 1209600.0, 2592000.0, 7776000.0,
)  # fmt: skip

MODEL_LABELS: Final = Metric(
    "ml.model.labels", Kind.COUNTER, "{label}", "Labels that were matched with their predictions.", _MODEL,
)  # fmt: skip
MODEL_CONFUSION: Final = Metric(
    "ml.model.confusion", Kind.COUNTER, "{label}",
    f"Matched labels of a classifier by the class that was predicted and the true one; beyond 20 classes "
    f"{CATEGORY_OTHER}, of which {ML_PREDICTION_CORRECT} says whether the two were the same.",
    (*_MODEL, ML_PREDICTION_CLASS, ML_LABEL_CLASS, ML_PREDICTION_CORRECT),
)  # fmt: skip
MODEL_SCORE: Final = Metric(
    "ml.model.score", Kind.HISTOGRAM, "1",
    "Probability that was given to an event, by whether it came true: that the class is the positive one of two, or, "
    f"of more classes, that the predicted one is right ({EVENT_PREDICTED}).",
    (*_MODEL[:3], ML_SCORE_EVENT, ML_SCORE_OUTCOME), _SCORES,
)  # fmt: skip
MODEL_CALIBRATION: Final = Metric(
    "ml.model.calibration", Kind.COUNTER, "{label}",
    "Matched labels by tenth of the probability that was given to the event, and by whether it came true.",
    (*_SCORE, ML_SCORE_BIN, ML_SCORE_OUTCOME),
)  # fmt: skip
MODEL_CALIBRATION_SCORE: Final = Metric(
    "ml.model.calibration.score", Kind.COUNTER, "1",
    "Sum of the probabilities in such a tenth.", (*_SCORE, ML_SCORE_BIN),
)  # fmt: skip
MODEL_BRIER: Final = Metric(
    "ml.model.brier", Kind.COUNTER, "1",
    "Sum of the squared differences between that probability and what came true, 0 or 1.", _SCORE,
)  # fmt: skip
MODEL_LOG_LOSS: Final = Metric(
    "ml.model.log_loss", Kind.COUNTER, "1",
    "Sum of the negative logarithms of the probability that was given to what came true, in nats.", _SCORE,
)  # fmt: skip
MODEL_ERROR: Final = Metric(
    "ml.model.error", Kind.COUNTER, "1",
    "Sum of the distances between predicted and true values, of predictions above and of predictions below the truth: "
    "(above - below) / labels is the bias, (above + below) / labels the mean absolute error.",
    (*_MODEL, ML_DEVIATION_SIDE),
)  # fmt: skip
MODEL_ERROR_SQUARES: Final = Metric(
    "ml.model.error.squares", Kind.COUNTER, "1", "Sum of the squared distances.", _MODEL,
)  # fmt: skip
MODEL_ERROR_VALUE: Final = Metric(
    "ml.model.error.value", Kind.HISTOGRAM, "1", "Predicted less true value.", _MODEL, _SIGNED,
)  # fmt: skip
MODEL_LABEL_DEVIATION: Final = Metric(
    "ml.model.label.deviation", Kind.COUNTER, "1",
    "Sum of the distances of true values from the mean of the training data's labels (from 0 without a reference), "
    "above and below it.", (*_MODEL, ML_DEVIATION_SIDE),
)  # fmt: skip
MODEL_LABEL_DEVIATION_SQUARES: Final = Metric(
    "ml.model.label.deviation.squares", Kind.COUNTER, "1", "Sum of the squares of those distances.", _MODEL,
)  # fmt: skip
LABEL_DELAY: Final = Metric(
    "ml.label.delay", Kind.HISTOGRAM, "s", "Time from a prediction to its label.",
    (ML_MODEL_NAME, ML_MODEL_VERSION, API_NAME), _DELAY_SECONDS,
)  # fmt: skip
LABEL_REFUSED: Final = Metric(
    "ml.label.refused", Kind.COUNTER, "{label}",
    "Labels that were not matched, by what was wrong: with the id, with the label, or that it had come before.",
    (REASON,),
)  # fmt: skip
_ESTIMATE: Final = (ML_SIGNAL, ML_MODEL_NAME, API_NAME, ML_REFERENCE_ID, ML_SLICE_NAME, ML_SLICE_VALUE)
ESTIMATE_PREDICTIONS: Final = Metric(
    "ml.estimate.predictions", Kind.COUNTER, "{prediction}",
    "Predictions with calibrated probabilities, by the class predicted.", (*_ESTIMATE, ML_CLASS),
)  # fmt: skip
ESTIMATE_OUTCOMES: Final = Metric(
    "ml.estimate.outcomes", Kind.COUNTER, "{prediction}",
    "How many of the predictions are expected to be of a class: of those that said so (hit), and of all others (miss).",
    (*_ESTIMATE, ML_CLASS, ML_OUTCOME),
)  # fmt: skip
ESTIMATE_VARIANCE: Final = Metric(
    "ml.estimate.variance", Kind.COUNTER, "{prediction}",
    "Variance of what ml.estimate.outcomes expects, given the calibration.", (*_ESTIMATE, ML_CLASS, ML_OUTCOME),
)  # fmt: skip
ESTIMATE_SCORES: Final = Metric(
    "ml.estimate.scores", Kind.COUNTER, "{prediction}",
    "How many of the predictions whose probability of a class is in a bin are expected to be of the class (positive), "
    "and of another (negative); and of another in all bins below (negative_below).",
    (*_ESTIMATE, ML_CLASS, ML_SCORE_BIN, ML_OUTCOME),
)  # fmt: skip
ESTIMATE_REFERENCE_ROWS: Final = Metric(
    "ml.estimate.reference.rows", Kind.GAUGE, "{row}",
    "Predictions with labels that estimates rest on.", _ESTIMATE,
)  # fmt: skip
PERFORMANCE_ESTIMATE: Final = Metric(
    "ml.performance.estimate", Kind.GAUGE, "1",
    "What a worker's predictions within the window are expected to come to, without their labels: the value, and the "
    "ends of its 95 % band. Precision, recall, F1 and the area under the ROC curve are means of all classes.",
    (*_ESTIMATE, ML_PERFORMANCE_METRIC, ML_PERFORMANCE_BOUND, ML_DRIFT_WINDOW),
)  # fmt: skip
PERFORMANCE_REFERENCE: Final = Metric(
    "ml.performance.reference", Kind.GAUGE, "1",
    "What the predictions came to that probabilities are calibrated on.", (*_ESTIMATE, ML_PERFORMANCE_METRIC),
)  # fmt: skip
ESTIMATE_LOSS_ROWS: Final = Metric(
    "ml.estimate.loss.rows", Kind.COUNTER, "{row}", "Inputs of a regression whose error could be estimated.", _ESTIMATE,
)  # fmt: skip
ESTIMATE_LOSS: Final = Metric(
    "ml.estimate.loss", Kind.COUNTER, "1",
    "Sum of the absolute and of the squared errors to be expected of them, and of the variances of both.",
    (*_ESTIMATE, ML_OUTCOME),
)  # fmt: skip
PERFORMANCE_LOSS_ESTIMATE: Final = Metric(
    "ml.performance.loss.estimate", Kind.GAUGE, "{value}",
    "The error (mae, rmse) to be expected of a worker's predictions within the window, without their labels: the "
    "value, and the ends of its 95 % band.", (*_ESTIMATE, ML_PERFORMANCE_METRIC, ML_PERFORMANCE_BOUND, ML_DRIFT_WINDOW),
)  # fmt: skip
PERFORMANCE_LOSS_REFERENCE: Final = Metric(
    "ml.performance.loss.reference", Kind.GAUGE, "{value}",
    "The error of the held-out predictions that estimates rest on.", (*_ESTIMATE, ML_PERFORMANCE_METRIC),
)  # fmt: skip
_CONCEPT: Final = (ML_MODEL_NAME, API_NAME, ML_REFERENCE_ID)
ESTIMATE_JUDGED: Final = Metric(
    "ml.estimate.judged", Kind.COUNTER, "{label}",
    "Labels that were compared with what the probability of their prediction let one expect.", _CONCEPT,
)  # fmt: skip
ESTIMATE_ERRORS: Final = Metric(
    "ml.estimate.errors", Kind.COUNTER, "{label}",
    "Of the predictions with these labels: how many were wrong (observed), how many were to be expected to be, by "
    "their calibrated confidence (expected), and the variance of that number (variance).",
    (*_CONCEPT, ML_OUTCOME),
)  # fmt: skip
CONCEPT_DRIFT: Final = Metric(
    "ml.concept.drift", Kind.GAUGE, "{alarm}",
    "1 while a worker's labels say that predictions are wrong more often than they should be, else 0.", _CONCEPT,
)  # fmt: skip
CONCEPT_EVIDENCE: Final = Metric(
    "ml.concept.evidence", Kind.GAUGE, "1", "How near to such an alarm a worker is; 1 while there is one.", _CONCEPT,
)  # fmt: skip
CONCEPT_AGE: Final = Metric(
    "ml.concept.age", Kind.GAUGE, "s", "Time since errors probably became more frequent, while there is an alarm.",
    _CONCEPT,
)  # fmt: skip

PERFORMANCE: Final = (
    MODEL_LABELS, MODEL_CONFUSION, MODEL_SCORE, MODEL_CALIBRATION, MODEL_CALIBRATION_SCORE, MODEL_BRIER,
    MODEL_LOG_LOSS, MODEL_ERROR, MODEL_ERROR_SQUARES, MODEL_ERROR_VALUE, MODEL_LABEL_DEVIATION,
    MODEL_LABEL_DEVIATION_SQUARES, LABEL_DELAY, LABEL_REFUSED, ESTIMATE_PREDICTIONS, ESTIMATE_OUTCOMES,
    ESTIMATE_VARIANCE, ESTIMATE_SCORES, ESTIMATE_REFERENCE_ROWS, PERFORMANCE_ESTIMATE, PERFORMANCE_REFERENCE,
    ESTIMATE_LOSS_ROWS, ESTIMATE_LOSS, PERFORMANCE_LOSS_ESTIMATE, PERFORMANCE_LOSS_REFERENCE, ESTIMATE_JUDGED,
    ESTIMATE_ERRORS, CONCEPT_DRIFT, CONCEPT_EVIDENCE, CONCEPT_AGE,
)  # fmt: skip
