"""The example service's code and the place where the demonstration keeps what it makes."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bento_observe.demo._errors import DemoError
from bento_observe.stack import CACHE_VARIABLE, StackError, chosen_cache_dir

__all__ = ["SERVICE", "Example"]

SERVICE: Final = "WineCultivar"
_OURS: Final = ("OTEL_", "BENTO_OBSERVE_", "BENTOML_")


class Example:
    """`service_example/`, found beside the package, and a folder of the demonstration's own.

    That is in `$BENTO_OBSERVE_CACHE`, else in `.cache/` of the checkout.

    Raises `DemoError` where the package is installed without its checkout, or without the extra `example`.
    """

    def __init__(self) -> None:
        self.root = Path(__file__).resolve().parents[2]
        if not (self.root / "service_example" / "service.py").is_file():
            raise DemoError(
                "the folder service_example/ is not beside the package; use a checkout of the project: pip install -e ."
            )
        if importlib.util.find_spec("sklearn") is None:
            raise DemoError("the example's model needs scikit-learn: pip install -e '.[dev,example]'")
        try:
            # Not the user's cache directory, where the built servers are: a model is this checkout's, and soon trained.
            self.home = (chosen_cache_dir() or self.root / ".cache").absolute() / "demo"
        except StackError as error:
            raise DemoError(str(error)) from error
        self.home.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one demonstration at a time: two servers with one BENTOML_HOME wipe each other's metrics."""
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DemoError(
                    f"another demo is running with {self.home}; stop it, or set {CACHE_VARIABLE} to another directory"
                ) from None
            yield

    def environment(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """For the programs of the example: this process's variables, less what would change the demonstration."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        exempt = ",".join(filter(None, (kept.get("no_proxy"), "127.0.0.1,localhost")))
        return {
            **kept,
            "BENTOML_HOME": str(self.home / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "PYTHONUNBUFFERED": "1",
            "no_proxy": exempt,
            "NO_PROXY": exempt,
            **(given or {}),
        }

    def train(self) -> str:
        """Train the model unless it is there already; returns its tag."""
        finished = subprocess.run(
            [sys.executable, "-m", "service_example.train"],
            cwd=self.root, env=self.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if finished.returncode != 0:
            raise DemoError(f"training failed:\n{finished.stderr.strip()}")
        return finished.stdout.strip().splitlines()[-1]
