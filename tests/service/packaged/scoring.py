"""A service with the least that there is to observe."""

from __future__ import annotations

import bentoml

from bento_observe import observe


@observe
@bentoml.service
class Scoring:
    @bentoml.api
    def score(self, income: float) -> float:
        return income / 1000
