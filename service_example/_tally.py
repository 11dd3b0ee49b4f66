"""What the traffic sent, what came back, and what the service must have counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service_example._plan import Request
from service_example.wine import FEATURES

__all__ = ["Answer", "summary"]

_OK, _ERROR = 200, 500


@dataclass(frozen=True)
class Answer:
    """A request that was sent, the status it was answered with (0: none), and when it was sent (Unix nanoseconds)."""

    request: Request
    status: int
    sent_ns: int


def summary(answers: Sequence[Answer]) -> dict[str, Any]:
    """The counts, ready for JSON.

    `sent`, `answered`, `unexpected` (another status than planned, or none) and `continued` (with a traceparent) are
    numbers of requests, `statuses` that number by status, `decoded` by API those that reached the service's code.
    `rows` is the number of samples in those by API, `values` and `missing` by "API/feature" what they held, `predicted`
    the samples that got an answer, by API. `drifted_at_ns` is when the first drifted request was sent, null if none.
    """
    statuses = Counter(str(answer.status) for answer in answers if answer.status)
    decoded, rows, predicted = Counter[str](), Counter[str](), Counter[str]()
    values: defaultdict[str, int] = defaultdict(int)
    missing: defaultdict[str, int] = defaultdict(int)
    for answer in answers:
        request = answer.request
        if answer.status not in (_OK, _ERROR):
            continue
        decoded[request.api] += 1
        rows[request.api] += request.rows
        if answer.status == _OK:
            predicted[request.api] += request.rows
        for name in FEATURES:
            lacking = request.missing.get(name, 0)
            values[f"{request.api}/{name}"] += request.rows - lacking
            if lacking:
                missing[f"{request.api}/{name}"] += lacking
    return {
        "sent": len(answers),
        "answered": sum(statuses.values()),
        "unexpected": sum(answer.status != answer.request.status for answer in answers),
        "continued": sum(bool(answer.request.traceparent) for answer in answers if answer.status),
        "statuses": dict(sorted(statuses.items())),
        "decoded": dict(decoded),
        "rows": dict(rows),
        "values": dict(values),
        "missing": dict(missing),
        "predicted": dict(predicted),
        "drifted_at_ns": min((answer.sent_ns for answer in answers if answer.request.drifted), default=None),
    }
