"""Concept drift: labels that disagree with what the probabilities of their predictions let one expect.

Inputs that became harder make more errors too, but their confidence says so. So what is looked at is not how often
predictions are wrong but how much more often than they should be: `Judged` adds up both, for the rules that compare
them over all workers, and gives each error and its chance to an `ErrorDetector`, which tells when that changed.
`encode` writes it as OTLP.
"""

from bento_observe.features.concept._detector import RUN_LENGTH, ErrorDetector, tolerated
from bento_observe.features.concept._export import encode
from bento_observe.features.concept._judged import Judged, Judgement

__all__ = ["RUN_LENGTH", "ErrorDetector", "Judged", "Judgement", "encode", "tolerated"]
