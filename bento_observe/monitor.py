"""`bentoml.monitor` counted instead of written to files: a monitor that BentoML's own configuration selects.

    services:
      monitoring:
        enabled: true
        type: bento_observe.monitor.ObserveMonitor
        options: {also: default}    # optional: BentoML's files are written as before

in the file that BENTOML_CONFIG names (without `services:` for legacy services, and never with `version: 2`, which
BentoML's command refuses), or `@bentoml.service(monitoring={...})`. Handlers stay as they are.

What is logged as `feature`, `prediction` and `target` is counted as `ml.signal` feature, prediction and label, each
column under its name, with `monitor:NAME` as `bentoml.api.name`: it never mixes with what an observed API takes and
answers, and a handler that logs the prediction it returns has it in two series, not twice in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, copy_context
from typing import Any

from bentoml._internal.monitoring.base import MON_COLUMN_VAR, MON_DATAS_VAR, MonitorBase

from bento_observe import _monitoring
from bento_observe._monitoring import Entry

__all__ = ["ObserveMonitor"]


class ObserveMonitor(MonitorBase[Any]):
    """Counts what is logged. Unlike BentoML's own it may be nested, and nothing that it is given raises.

    Args:
        name: of the monitor.
        also: the type of another monitor that gets the same: `default`, `otlp`, or a class as `package.module.Class`.
        options: those of the other monitor; `log_path` say.
    """

    def __init__(self, name: str, also: str | None = None, **options: Any) -> None:
        super().__init__(name)
        self._record: ContextVar[list[Entry] | None] = ContextVar("bento_observe_monitor", default=None)
        self._also: Any = None
        if also:
            try:
                self._also = _class_of(also)(name, **options)
            except Exception as error:  # noqa: BLE001 - the handler that asked for the monitor goes on
                _monitoring.tell("also", f"monitor {name!r}: also={also!r} cannot be made ({error}); left out")

    def start_record(self) -> None:
        """Begin one; what an earlier one, left by an exception, had logged is forgotten."""
        self._record.set([])

    def log(self, data: Any, name: str, role: str, data_type: str) -> None:
        """One value of a column."""
        self._add((data, name, role, data_type, False))

    def log_batch(self, data_batch: Iterable[Any], name: str, role: str, data_type: str) -> None:
        """Several values of a column; copied, since the handler may change them."""
        try:
            # Arrays and series as they are; a mapping is its keys, as BentoML has it.
            is_array = hasattr(data_batch, "dtype") and hasattr(data_batch, "copy")
            kept = data_batch.copy() if is_array else list(data_batch)  # type: ignore[attr-defined]
            len(kept)  # raises for an array without dimensions
        except Exception:  # noqa: BLE001 - no iterable, or one that fails
            _monitoring.refuse("monitor_batch", 1, f"monitor {self.name!r}: column {name!r} is no batch; use log()")
            return
        self._add((kept, name, role, data_type, True))

    def log_table(self, data: Iterable[Iterable[Any]], schema: Mapping[str, Any]) -> None:
        """Several columns at once, which BentoML leaves unimplemented: a frame, or rows in the order of `schema`.

        `schema` maps names to a role, a data type, or a mapping of `role` and `type`; what is not told is `feature`
        and `numerical`.
        """
        try:
            for column, (name, told) in zip(_columns(data, schema), schema.items(), strict=True):
                role, kind = _role_and_type(told)
                self.log_batch(column, name, role, kind)
        except Exception:  # noqa: BLE001 - as above
            _monitoring.refuse("monitor_batch", 1, f"monitor {self.name!r}: the table is not as its schema says")

    def stop_record(self) -> None:
        """Hand over what was logged since `start_record`."""
        entries = self._record.get()
        self._record.set(None)
        if not entries:
            return
        _monitoring.feed(self.name, entries)
        if self._also is not None:
            try:
                # In a context of its own: BentoML's monitors keep one record, whichever monitor it is of.
                copy_context().run(self._replay, entries)
            except Exception as error:  # noqa: BLE001 - a full disk, say, is not the handler's
                _monitoring.tell("replay", f"monitor {self.name!r}: the other monitor failed ({error})")

    def export_schema(self, columns_schema: dict[str, dict[str, str]]) -> None:
        """Nothing: `stop_record` hands over."""

    def export_data(self, datas: Any) -> None:
        """Nothing: as above."""

    def _add(self, entry: Entry) -> None:
        entries = self._record.get()
        if entries is None:
            _monitoring.refuse("monitor_record", 1, f"monitor {self.name!r}: log() outside of its with block")
        else:
            entries.append(entry)

    def _replay(self, entries: list[Entry]) -> None:
        MON_DATAS_VAR.set(None)
        MON_COLUMN_VAR.set(None)
        self._also.start_record()
        for data, name, role, data_type, batch in entries:
            log = self._also.log_batch if batch else self._also.log
            log(data, name, role, data_type)
        self._also.stop_record()


def _class_of(also: str) -> Any:
    if also == "default":
        from bentoml._internal.monitoring.default import DefaultMonitor

        return DefaultMonitor
    if also == "otlp":
        from bentoml._internal.monitoring.otlp import OTLPMonitor

        return OTLPMonitor
    from bentoml._internal.types import LazyType

    found = LazyType(also).get_class()
    if found is ObserveMonitor:
        raise ValueError("it is this one")
    return found


def _columns(data: Any, schema: Mapping[str, Any]) -> list[Any]:
    """The columns of a table, in the schema's order."""
    if hasattr(data, "columns"):
        return [data[name] for name in schema]
    if getattr(data, "ndim", 0) == 2:
        return list(data.T)
    return [list(column) for column in zip(*data, strict=True)]


def _role_and_type(told: Any) -> tuple[str, str]:
    if isinstance(told, Mapping):
        return str(told.get("role", "feature")), str(told.get("type", "numerical"))
    return (told, "numerical") if told in _monitoring.SIGNALS else ("feature", str(told))
