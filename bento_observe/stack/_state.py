"""What was started, on disk beside the data, so that a later program can stop or describe it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bento_observe.stack._directories import private_directory
from bento_observe.stack._errors import StackError
from bento_observe.stack._ports import Ports
from bento_observe.stack._processes import Handle

_FORMAT = 1


@dataclass
class State:
    """The ports of a stack and the processes that were started for it."""

    ports: Ports
    servers: dict[str, Handle] = field(default_factory=dict)

    def alive(self) -> dict[str, Handle]:
        """The servers that still run."""
        return {name: handle for name, handle in self.servers.items() if handle.alive()}


class StateFile:
    """The state of the stack whose data is in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "state.json"

    def load(self) -> State | None:
        """The state as last saved; None if nothing was started, or if the file is not ours to understand."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            if data["format"] != _FORMAT:
                return None
            servers = {
                name: Handle(int(server["pid"]), float(server["created"])) for name, server in data["servers"].items()
            }
            return State(Ports.from_json(data["ports"]), servers)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, state: State) -> None:
        """Replace the file as a whole."""
        data = {
            "format": _FORMAT,
            "ports": state.ports.to_json(),
            "servers": {name: {"pid": handle.pid, "created": handle.created} for name, handle in state.servers.items()},
        }
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        temporary.replace(self._path)

    def clear(self) -> None:
        """Nothing is started any more."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other `up` and `down` calls on the same directory out.

        Raises:
            StackError: if one is at work already.
        """
        private_directory(self._directory)
        descriptor = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError(
                    f"another `bento-observe stack` is starting or stopping the stack in {self._directory}; "
                    "wait for it, or choose another --data-dir"
                ) from None
            yield
        finally:
            os.close(descriptor)
