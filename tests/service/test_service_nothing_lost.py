"""Everything answered before a worker got SIGTERM arrives, exactly once (the scenario is `nothing_lost.py`)."""

from __future__ import annotations

import nothing_lost
import pytest


@pytest.mark.parametrize("kill_worker", [False, True], ids=["all stopped", "one killed half way"])
def test_what_was_answered_arrives_exactly_once(kill_worker: bool) -> None:
    """3,000 requests from 8 clients to two workers: every span, count, row and log record is there, none twice."""
    outcome = nothing_lost.run(requests=3000, clients=8, kill_worker=kill_worker)

    assert {name: arrived for name, (_, arrived) in outcome.figures.items()} == {
        name: expected for name, (expected, _) in outcome.figures.items()
    }
    assert outcome.wrong == []
    assert outcome.stop_seconds < 5
