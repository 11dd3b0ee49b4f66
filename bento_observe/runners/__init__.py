"""`bentoml.legacy` services and their runners, observed. Nothing of this is imported by those who have none."""

from __future__ import annotations

from bento_observe.runners._observe import observe_legacy, observe_runner

__all__ = ["observe_legacy", "observe_runner"]
