"""The environment of a server: settings, BentoML's configuration file, and its home, which no two servers may share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import yaml

from bento_observe.doctor._finding import Finding, ok, problem, warning
from bento_observe.settings import Settings

__all__ = ["check_environment"]

_WORKER = "_bentoml_impl.worker.service"


def check_environment(settings: Settings) -> Iterator[Finding]:
    """All of it."""
    for line in settings.problems:
        fault, _, remedy = line.partition("; ")
        yield problem("setting", fault, remedy)
    if not settings.problems:
        yield ok("settings", "all can be used")
    yield from _bentoml_config(os.environ.get("BENTOML_CONFIG", ""))
    yield from _home()


def _bentoml_config(path: str) -> Iterator[Finding]:
    if not path:
        return
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        version, legacy = document.get("version", 1), document.get("monitoring")
        services = document.get("services") or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        yield problem("BENTOML_CONFIG", f"{path} cannot be read ({reason})", "name a readable YAML file, or unset it")
        return
    if version != 1:
        text = f"{path} says version: {version}, which the command bentoml refuses"
        yield problem("BENTOML_CONFIG", text, "leave the line out; what is under services: is read all the same")
    elif legacy is not None and "monitoring" not in services:
        text = f"{path} has monitoring: at the top, which counts for legacy services only"
        yield warning("BENTOML_CONFIG", text, "put it under services:")
    else:
        yield ok("BENTOML_CONFIG", path)


def _home() -> Iterator[Finding]:
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        text = "is set, and BentoML does not heed it: it uses a directory below BENTOML_HOME, emptied at each start"
        yield warning("PROMETHEUS_MULTIPROC_DIR", text, "unset it")
    home = _home_of(os.environ)
    others = sorted(pid for pid, environment in _servers() if _home_of(environment) == home)
    if others:
        pids = ", ".join(map(str, others))
        text = (
            f"{home} is that of a running server (worker {pids}): another one with it empties the first one's /metrics"
        )
        yield warning("BENTOML_HOME", text, "give each server a BENTOML_HOME of its own, if you start another")
    else:
        yield ok("BENTOML_HOME", f"{home}, of no running server")


def _home_of(environment: os._Environ[str] | dict[str, str]) -> str:
    default = os.path.join(environment.get("HOME") or os.path.expanduser("~"), "bentoml")
    return os.path.realpath(environment.get("BENTOML_HOME") or default)


def _servers() -> Iterator[tuple[int, dict[str, str]]]:
    """Running workers of BentoML that this user may look at: process id and environment."""
    for process in psutil.process_iter():
        try:
            if _WORKER in process.cmdline():
                yield process.pid, process.environ()
        except psutil.Error:
            continue
