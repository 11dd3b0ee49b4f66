"""The far side of a peer's process: runs one case for each line that comes in. Standard library only."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

__all__ = ["cpu_s", "serve"]


def serve(load: Callable[[], Mapping[str, Callable[[], float]]]) -> NoReturn:
    """Answers `ready` when `load` has made the cases, then each line, the name of one, with what it gives as JSON.

    Ends the process when its input ends. Whatever the peer prints goes to the standard error.
    """
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        cases = load()
        answers.write(json.dumps("ready") + "\n")
        for line in sys.stdin:
            gc.collect()
            gc.disable()  # as for ours
            answers.write(json.dumps(cases[line.strip()]()) + "\n")
            gc.enable()
    os._exit(0)  # threads of the peer's, such as one that waits for the end of a day, would go on


def cpu_s(work: Callable[[], object], repeats: int = 1) -> float:
    """Seconds of CPU time, of all threads, that one `work` takes."""
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats
