"""A Collector beside the stack's, with another configuration."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_collector(otelcol: Path, configs: Sequence[Path], health: int, env: Mapping[str, str]) -> Iterator[None]:
    """Healthy at the port `health` inside; killed after, since one that is told to stop waits for its backends."""
    arguments = [argument for config in configs for argument in ("--config", str(config))]
    log = Path(env.get("OTELCOL_STORAGE", configs[0].parent)) / "otelcol.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(otelcol), *arguments], env={**os.environ, **env}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while not _healthy(health):
            assert time.monotonic() < deadline, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
