"""Where predictions are kept, if they are: it is asked for one, as it is when a label comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bento_observe.doctor._finding import Finding, ok, problem
from bento_observe.feedback import Elasticsearch, StoreError
from bento_observe.settings import Settings, disabled

__all__ = ["check_predictions"]

_SECONDS = 5.0
_NOBODYS = "bento-observe doctor"


def check_predictions(settings: Settings) -> Iterator[Finding]:
    """One finding; none where ids are tokens."""
    store = settings.predictions
    if store is None or disabled():
        return
    where = f"{store.url}, {store.index}"
    try:
        Elasticsearch(replace(store, timeout=min(_SECONDS, store.timeout)), _NOBODYS).find([_NOBODYS])
    except StoreError as error:
        remedy = "start Elasticsearch there, or set BENTO_OBSERVE_PREDICTIONS_URL"
        yield problem("predictions", f"{where} cannot be asked for any: {error}", remedy)
    else:
        yield ok("predictions", f"{where} can be asked for them")
