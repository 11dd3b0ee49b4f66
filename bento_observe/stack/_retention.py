"""How long logs, and predictions that labels are matched with, are kept by the node that we build.

Elasticsearch's own service for that is not published.

As it does, a data stream begins an index a day, and an index goes once the next one is older than what is
to be kept: nothing in it was written later. What `GET /_data_stream` would tell is asked of `_resolve` and `_settings`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from typing import Any

from bento_observe._prediction_store import INDEX
from bento_observe.stack import _http
from bento_observe.stack._assets import collector_dir
from bento_observe.stack._build import Report
from bento_observe.stack.logs import DATA_STREAMS

_NEW_INDEX_AFTER = "1d"
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Pruned:
    """The indices that were deleted, how many are left, and why it is more than it should be, if it is."""

    deleted: tuple[str, ...]
    kept: int
    failures: tuple[str, ...] = ()


def kept_for(kind: str = "logs") -> float:
    """The seconds that the template of our logs says, or that of `predictions`."""
    file = collector_dir() / "elasticsearch" / "templates" / "index" / f"bento-observe-{kind}.json"
    template: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    text = template["template"]["lifecycle"]["data_retention"]
    match = re.fullmatch(r"(\d+)([dhms])", text)
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    return float(match[1]) * _SECONDS[match[2]]


def prune_at_start(url: str, progress: Report) -> None:
    """`prune_logs` of what is older than the template says; a failure is told, and no reason not to start."""
    try:
        pruned = prune_logs(url)
    except Exception as error:  # noqa: BLE001
        progress(f"old logs are not deleted: {error!r}")
        return
    for failure in pruned.failures:
        progress(f"old logs are not deleted: {failure}")
    if pruned.deleted:
        progress(f"old logs deleted: {', '.join(pruned.deleted)}")


def prune_logs(url: str, seconds: float | None = None, *, new_index_after: str = _NEW_INDEX_AFTER) -> Pruned:
    """Begin an index in each data stream of logs and predictions whose newest is older than a day, and delete old ones.

    Args:
        url: Elasticsearch's URL.
        seconds: How long a record is kept at least, by default `kept_for()`; at most it is `new_index_after` longer.
        new_index_after: As Elasticsearch writes durations.

    What Elasticsearch refuses for one data stream is told in `failures`, and keeps nothing of another.

    Raises:
        OSError: if Elasticsearch does not answer, or does not say which data streams there are.
    """
    failures: list[str] = []
    for stream in _streams(url):
        try:
            _http.send_json("POST", f"{url}/{stream}/_rollover", {"conditions": {"max_age": new_index_after}})
        except OSError as error:
            failures.append(str(error))
    deleted: list[str] = []
    found = _streams(url)
    for stream, indices in found.items():
        kept = kept_for("predictions" if fnmatch(stream, INDEX) else "logs") if seconds is None else seconds
        before = (time.time() - kept) * 1000
        try:
            for index in _older(url, indices, before):
                _http.send_json("DELETE", f"{url}/{index}")
                deleted.append(index)
        except OSError as error:
            failures.append(str(error))
    return Pruned(tuple(deleted), sum(map(len, found.values())) - len(deleted), tuple(failures))


def _older(url: str, indices: Sequence[str], before: float) -> list[str]:
    """Those after which another was begun at `before`, in milliseconds since the epoch, or earlier."""
    born = {index: _born(url, index) for index in indices}
    return [index for index, following in pairwise(sorted(indices, key=born.__getitem__)) if born[following] <= before]


def _streams(url: str) -> dict[str, list[str]]:
    """Data stream -> its indices, the one that is written to included."""
    found = _http.get_json(f"{url}/_resolve/index/{DATA_STREAMS},{INDEX}", {"expand_wildcards": "all"})["data_streams"]
    return {stream["name"]: stream["backing_indices"] for stream in found}


def _born(url: str, index: str) -> int:
    """Milliseconds since the epoch."""
    return int(_http.get_json(f"{url}/{index}/_settings")[index]["settings"]["index"]["creation_date"])
