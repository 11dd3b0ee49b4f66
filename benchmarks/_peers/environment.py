"""Peers whose requirements do not go with ours: each gets a virtual environment and a process of its own.

`<peer>.txt` pins what is installed, under `.cache/benchmarks/<peer>`, once; `<peer>_peer.py` runs there. The process
stays up and runs a case when told, so that its cases take turns with ours and no import is ever timed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from _report import progress

__all__ = ["Peer", "PeerError"]

_HERE = Path(__file__).parent
_CACHE = _HERE.parents[1] / ".cache" / "benchmarks"
_EXIT_S = 5.0
# No usage statistics from a benchmark, and one thread each, as the aggregator has.
_SETTINGS = {
    "WHYLOGS_NO_ANALYTICS": "True", "DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip


class PeerError(RuntimeError):
    """A peer that cannot be installed, does not start or ended. The message says which and where to look."""


class Peer:
    """One peer, from its start to the end of the `with` block."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._log = _CACHE / f"{name}.log"
        python = _environment(name, self._log)
        progress(f"{name}: starting")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [python, "-m", f"_peers.{name}_peer"], cwd=_HERE.parent, env={**os.environ, **_SETTINGS},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
            )  # fmt: skip

    def __enter__(self) -> Peer:
        try:
            self._answer()
        except PeerError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_EXIT_S)
        except subprocess.TimeoutExpired:  # in the middle of a case
            self._process.kill()
            self._process.wait()

    def case(self, name: str) -> Callable[[], float]:
        """What runs this case of the peer's once and returns its figure."""

        def run() -> float:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{name}\n")
            return float(self._answer())

        return run

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"{self._name} ended; see {self._log.relative_to(_CACHE.parents[1])}")
        return str(json.loads(line))


def _environment(name: str, log: Path) -> Path:
    """The Python of the peer's environment, which is made anew when its pins have changed."""
    pins = _HERE / f"{name}.txt"
    folder = _CACHE / name
    python = folder / "bin" / "python"
    stamp = folder / "installed.txt"  # written last: without it, the environment is not whole
    if stamp.is_file() and stamp.read_text() == pins.read_text():
        return python
    progress(f"{name}: installing into {folder.relative_to(_CACHE.parents[1])} (once; a minute or two)")
    began = time.monotonic()
    venv.create(folder, clear=True, with_pip=True)
    with log.open("wb") as output:
        done = subprocess.run(
            [python, "-m", "pip", "install", "--disable-pip-version-check", "--requirement", pins],
            stdout=output, stderr=output, check=False,
        )  # fmt: skip
    if done.returncode:
        version = ".".join(map(str, sys.version_info[:2]))
        raise PeerError(f"{name} cannot be installed for Python {version}; see {log.relative_to(_CACHE.parents[1])}")
    stamp.write_text(pins.read_text())
    progress(f"{name}: installed in {time.monotonic() - began:.0f} s")
    return python
