"""Labels for earlier predictions: ids, matching, and how good the model turns out to be.

A prediction gets its id by `_identifier`, which asks `_predicted` what an answer predicts, or `_given` what a handler
said, and has `_token` sign it; `_shape` is what the reference says of predictions, and `_probabilities` reads those. A
label that comes back with it, by `_intake` or `_endpoint`, passes `_matching`: `_reading` reads the id, `_own_names`
gives what it cut its whole name, `_truth` reads the label, `_seen` knows whether it has come before, from a file that
`_shared` has for all workers of a service on a host and `_upkeep` keeps. Then `_performance` adds it to the sums of a
`_group`, under the names of `_classes`, and `_metrics` writes those as OTLP. `_feedback` is all of it put together.

Where predictions are kept in Elasticsearch, ids are plain ones: `_events` sends what was predicted, `_lookup` asks for
it, and `_store` is both.
"""

from bento_observe.feedback._elasticsearch import Elasticsearch, StoreError
from bento_observe.feedback._endpoint import LABEL_PATH, LabelEndpoint
from bento_observe.feedback._feedback import Feedback, current_feedback
from bento_observe.feedback._shape import shape_of
from bento_observe.feedback._store import owner_of, store_for

__all__ = [
    "LABEL_PATH", "Elasticsearch", "Feedback", "LabelEndpoint", "StoreError", "current_feedback", "owner_of",
    "shape_of", "store_for",
]  # fmt: skip
