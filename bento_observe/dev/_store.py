"""Rows into DuckDB: a bounded queue of export requests and the one thread that writes them."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from bento_observe.dev._database import MEMORY, Answer, Parameters, bytes_used, open_for_writing, select
from bento_observe.dev._decode import log_rows, point_rows, span_rows
from bento_observe.dev._schema import LOGS, POINTS, SPANS, TABLES, Row, Table

__all__ = ["LOG_RECORDS", "METRICS", "TRACES", "Counts", "Signal", "Store"]

_logger = logging.getLogger("bento_observe.dev")

_LINGER_S: Final = 0.25
"""How long a first request waits for others, so that a transaction carries many."""
_BATCH_BYTES: Final = 16 << 20
_CHUNK_ROWS: Final = 8192
_CHECK_BYTES: Final = 1 << 20
"""How much may arrive between two looks at the size of the database."""


@dataclass(frozen=True)
class Signal:
    """Traces, metrics or logs: how its requests become rows, and of which table."""

    name: str
    table: Table
    rows: Callable[[Any], Iterator[Row]]


TRACES: Final = Signal("traces", SPANS, span_rows)
METRICS: Final = Signal("metrics", POINTS, point_rows)
LOG_RECORDS: Final = Signal("logs", LOGS, log_rows)


@dataclass(frozen=True)
class Counts:
    """Since the store was opened: rows stored, rows pruned for space, requests refused (queue full) and failed."""

    spans: int
    metric_points: int
    logs: int
    pruned: int
    refused: int
    failed: int


class Store:
    """A DuckDB database that takes OTLP export requests from any thread.

    At most `max_bytes` of rows are kept: beyond that the oldest quarter of every table goes, as often as needed.
    At most `queue_bytes` of encoded requests wait for the writer; `offer` refuses more.
    """

    def __init__(self, path: str | Path = MEMORY, *, max_bytes: int = 512_000_000, queue_bytes: int = 64 << 20) -> None:
        self.path = path
        self._connection = open_for_writing(path)
        self._max_bytes = max_bytes
        self._queue_bytes = queue_bytes
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._stored = threading.Condition(self._lock)
        self._reading = threading.Lock()
        self._readers = 0
        self._queue: deque[tuple[Signal, Message, int]] = deque()
        self._pending_bytes = 0
        self._unchecked_bytes = max_bytes  # so that the first batch looks at what an old file already holds
        self._offered = 0
        self._done = 0
        self._hurry = 0
        self._closing = False
        self._counts: Counter[str] = Counter()
        self._writer = threading.Thread(target=self._write_until_closed, name="bento-observe-dev-writer", daemon=True)
        self._writer.start()

    def offer(self, signal: Signal, request: Message, size: int) -> bool:
        """Takes an export request of `size` encoded bytes; False, and nothing kept, when the queue is full."""
        with self._lock:
            # One that is larger than the whole queue still goes through when nothing else waits.
            full = self._pending_bytes > 0 and self._pending_bytes + size > self._queue_bytes
            if full or self._closing:
                self._counts["refused"] += 1
                return False
            self._queue.append((signal, request, size))
            self._pending_bytes += size
            self._offered += 1
            self._arrived.notify()
        return True

    def flush(self, timeout: float = 30.0) -> None:
        """Waits until every request taken so far can be queried; `TimeoutError` after `timeout` seconds."""
        with self._lock:
            target = self._offered
            self._hurry += 1
            self._arrived.notify()
            try:
                if not self._stored.wait_for(lambda: self._done >= target, timeout):
                    raise TimeoutError(f"{target - self._done} export requests were not written within {timeout} s")
            finally:
                self._hurry -= 1

    def wait_for_arrival(self, seen: int, timeout: float) -> bool:
        """Waits until more than `seen` requests have been taken and written (see `arrivals`)."""
        with self._lock:
            return self._stored.wait_for(lambda: self._done > seen, timeout)

    @property
    def arrivals(self) -> int:
        """Export requests written so far."""
        with self._lock:
            return self._done

    def select(self, sql: str, parameters: Parameters = None, *, limit: int | None = None) -> Answer:
        """A read-only query (see `_database.select`) over everything taken before the call."""
        self.flush()
        with self._reading:
            self._readers += 1
        try:
            return select(self._connection, sql, parameters, limit=limit)
        finally:
            with self._reading:
                self._readers -= 1

    def counts(self) -> Counts:
        """What has been stored, pruned and refused."""
        with self._lock:
            of = self._counts
            return Counts(of[SPANS.name], of[POINTS.name], of[LOGS.name], of["pruned"], of["refused"], of["failed"])

    def close(self) -> None:
        """Writes what was taken and closes the database; further offers are refused."""
        with self._lock:
            self._closing = True
            self._arrived.notify()
        self._writer.join()
        self._connection.close()

    def _write_until_closed(self) -> None:
        while batch := self._next_batch():
            try:
                written, failed = self._write(batch), 0
            except Exception:  # whatever a sender can send, the next batch is to be written
                _logger.exception("a batch of %d export requests could not be stored", len(batch))
                written, failed = Counter(), len(batch)
            try:
                self._prune(sum(size for _, _, size in batch))
            except Exception:  # what was written stays written
                _logger.exception("the oldest rows could not be removed for space")
            with self._lock:
                self._counts.update(written)
                self._counts["failed"] += failed
                self._done += len(batch)
                self._stored.notify_all()

    def _next_batch(self) -> list[tuple[Signal, Message, int]]:
        """The requests for the next transaction; none when the store is closed and empty."""
        with self._lock:
            self._arrived.wait_for(lambda: self._queue or self._closing)
            self._arrived.wait_for(
                lambda: self._hurry or self._closing or self._pending_bytes >= _BATCH_BYTES, timeout=_LINGER_S
            )
            batch, size = [], 0
            while self._queue and size < _BATCH_BYTES:
                batch.append(self._queue.popleft())
                size += batch[-1][2]
            self._pending_bytes -= size
            return batch

    def _write(self, batch: list[tuple[Signal, Message, int]]) -> Counter[str]:
        written: Counter[str] = Counter()
        self._connection.begin()
        try:
            for signal in (TRACES, METRICS, LOG_RECORDS):
                requests = [request for of, request, _ in batch if of is signal]
                rows = (row for request in requests for row in signal.rows(request))
                while chunk := list(islice(rows, _CHUNK_ROWS)):
                    self._connection.register("batch", signal.table.batch(chunk))
                    self._connection.execute(signal.table.insert)
                    self._connection.unregister("batch")
                    written[signal.table.name] += len(chunk)
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()
        return written

    def _prune(self, arrived_bytes: int) -> None:
        self._unchecked_bytes += arrived_bytes
        if self._unchecked_bytes < min(_CHECK_BYTES, self._max_bytes // 8):
            return
        with self._reading:
            # What a query still sees gives no space back however much is deleted: the next batch tries again.
            if self._readers == 0:
                self._unchecked_bytes = 0
                self._remove_oldest()

    def _remove_oldest(self) -> None:
        """Removes rows until the rest fits; no query may be running."""
        pruned = 0
        while bytes_used(self._connection, self.path) > self._max_bytes:
            # The log of a file, and a table without one, are larger than the same rows in compressed blocks.
            self._connection.execute("CHECKPOINT")
            if bytes_used(self._connection, self.path) <= self._max_bytes:
                break
            deleted = sum(self._delete_oldest(table) for table in TABLES)
            self._connection.execute("CHECKPOINT")
            if not deleted:
                break
            pruned += deleted
        if pruned:
            with self._lock:
                self._counts["pruned"] += pruned
            _logger.warning(
                "the database reached %d MB: its %d oldest rows were removed", self._max_bytes // 1_000_000, pruned
            )

    def _delete_oldest(self, table: Table) -> int:
        oldest = f"(SELECT quantile_disc(rowid, 0.25) FROM {table.name})"  # noqa: S608 - a name of ours
        row = self._connection.execute(f"DELETE FROM {table.name} WHERE rowid <= {oldest}").fetchone()  # noqa: S608
        return int(row[0]) if row else 0
