"""Counts of matched labels are exact, whichever worker a label comes to, and whatever comes besides."""

from __future__ import annotations

import os
import signal
from collections import Counter

from labels_scene import KEY, TWICE, LabelsScene
from scene import SETTINGS
from server import BentoServer
from sink import Sink

from bento_observe._label_keys import KEYS


def test_confusion_counts_are_exact_over_three_workers_one_of_which_is_replaced() -> None:
    """Labels in any order, to any worker, a tenth of them twice, a twentieth refused; a worker ends half way."""
    with Sink() as sink:
        environment = {KEYS: KEY, **sink.environment(), **SETTINGS}
        with BentoServer("labelled:Labelled", environment, workers=3) as server:
            scene = LabelsScene(server.port)
            victim = server.workers[0]
            scene.send(server, lambda _sent: os.kill(victim, signal.SIGTERM))
            server.stop()
            again = sum(label.value for label in sink.last("ml.label.refused", reason="duplicate"))
            counted: Counter[tuple[str, str, str]] = Counter()
            for point in sink.last("ml.model.confusion"):
                if "ml.slice.name" not in point.attributes:
                    found = point.attributes
                    key = found["bentoml.api.name"], found["ml.prediction.class"], found["ml.label.class"]
                    counted[key] += int(point.value)
            by_reason = {reason: sink.value("ml.label.refused", reason=reason) for reason in scene.refused}

    assert counted == scene.expected
    # What a worker that ended had counted but not answered was sent again, and is a duplicate the second time.
    assert again >= TWICE
    assert by_reason == scene.refused
