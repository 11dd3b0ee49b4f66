"""What the test services share: they are observed or plain BentoML, as the test says in the environment."""

from __future__ import annotations

import os
import sys
from typing import Any

from bentoml import server_context

WORKERS = int(os.environ.get("TEST_WORKERS", "1"))
# Seconds. BentoML keeps every request's context alive until this time is over (its timer is never cancelled), so
# memory grows for so long whoever observes it.
TIMEOUT = float(os.environ.get("TEST_TIMEOUT", "60"))


BROKEN_IN = os.environ.get("TEST_BREAK_IN", "")
if os.environ.get("TEST_BREAK") and BROKEN_IN in ("", server_context.service_type):  # a module that cannot be imported
    sys.modules[os.environ["TEST_BREAK"]] = None  # type: ignore[assignment]


def maybe_observe(service: Any) -> Any:
    """`@observe`, or nothing at all."""
    if os.environ.get("TEST_OBSERVED") == "0":
        return service
    from bento_observe import observe

    return observe(service)


def maybe_observe_runner(runner: Any) -> Any:
    """`observe_runner`, or nothing at all."""
    if os.environ.get("TEST_OBSERVED") == "0" or os.environ.get("TEST_RUNNER_OBSERVED") == "0":
        return runner
    from bento_observe import observe_runner

    return observe_runner(runner)
